// SPDX-License-Identifier: Apache-2.0
/*
 * The agent protocol on a ttrpc server: grpc.AgentService and grpc.Health. Every method of the
 * protocol is in the table; those without a handler are answered with UNIMPLEMENTED.
 *
 * Ownership: the service borrows the sandbox, which must outlive it; the server must be freed
 * first. Thread: that of the server.
 */
#pragma once

#include <stdbool.h>

#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "guest/agent/gate.h"
#include "guest/pod/sandbox.h"

typedef struct _CocoService CocoService;

/* The host has asked for the end and has been answered. */
typedef void (*CocoServiceEndFunc)(void *user_data);

CocoService *coco_service_new(CocoGuestSandbox *sandbox, CocoServiceEndFunc end, void *user_data);
void coco_service_free(CocoService *service);

/* Where a judge of requests is set. (transfer none) */
CocoGate *coco_service_get_gate(CocoService *service);

/* Adds both services to the server. */
void coco_service_attach(CocoService *service, CocoTtrpcServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoService, coco_service_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * Connections to the loopback of the pod's network namespace go on in the guest: accepted here,
 * connected there by the agent, and copied both ways in pieces by its calls, whatever its
 * transport.
 *
 * A guest that does not know the calls (Kata's) or whose policy does not allow them gets none: the
 * connection is reset, and the log says why.
 *
 * Ownership: it owns its descriptors; the agent's client is borrowed and outlives it.
 * Thread: main.
 */
#pragma once

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-client.h"

#define COCO_PORT_FORWARD_MAX 32 /* connections at once */

typedef struct _CocoPortForward CocoPortForward;

/* fds: n descriptors as coco_loopback_listen() gave them (transfer full). */
CocoPortForward *coco_port_forward_new(CocoTtrpcClient *agent, int *fds, unsigned int n);

/* Resets all connections. NULL is fine. */
void coco_port_forward_free(CocoPortForward *forward);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPortForward, coco_port_forward_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * A call that a ttrpc server received, as its handler sees it, and the tables that say which
 * handler that is. Implemented in ttrpc-connection.c.
 *
 * Ownership: a handler owns the call it is given and ends it with exactly one
 * coco_ttrpc_call_reply() or coco_ttrpc_call_fail*(). The request inside belongs to the call.
 * Ending a call whose connection is gone is fine and does nothing.
 * Thread: that of the server.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <gio/gio.h>
#include <protobuf-c/protobuf-c.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct _CocoTtrpcCall CocoTtrpcCall;

/* call: (transfer full). user_data: what coco_ttrpc_server_add_service() was given. */
typedef void (*CocoTtrpcHandler)(CocoTtrpcCall *call, void *user_data);

typedef struct {
    const char *name; /* "CreateContainer" */
    const ProtobufCMessageDescriptor
        *request;             /* the payload is unpacked as this before the handler runs */
    CocoTtrpcHandler handler; /* NULL: answered with UNIMPLEMENTED */
} CocoTtrpcMethod;

/* In place of the method's handler, which it runs now or later, or fails the call. call: (transfer
 * full). service_data: of the service. */
typedef void (*CocoTtrpcGateFunc)(CocoTtrpcCall *call, const CocoTtrpcMethod *method,
                                  void *service_data, void *user_data);

typedef struct {
    const char *name; /* "grpc.AgentService" */
    const CocoTtrpcMethod *methods;
    size_t n_methods;
} CocoTtrpcService;

/* The decoded request: (transfer none), valid until the call ends. Cast to the type named in the
 * method table. */
const ProtobufCMessage *coco_ttrpc_call_get_request(const CocoTtrpcCall *call);

/* Tells the calls of one connection from those of another that lives; NULL when it is gone. */
const void *coco_ttrpc_call_get_connection(const CocoTtrpcCall *call);

/* First value of a metadata key, compared case-insensitively; NULL if absent. (transfer none) */
const char *coco_ttrpc_call_get_metadata(const CocoTtrpcCall *call, const char *key);

/* Monotonic time in microseconds (g_get_monotonic_time) at which the caller gives up; 0 if never.
 */
int64_t coco_ttrpc_call_get_deadline(const CocoTtrpcCall *call);

/* Fires when the connection dies or the deadline passes (the caller then gets DEADLINE_EXCEEDED
 * from its own side; the handler still has to end the call). (transfer none) */
GCancellable *coco_ttrpc_call_get_cancellable(CocoTtrpcCall *call);

/* call: (transfer full). response: (transfer none), packed before this returns; NULL stands for an
 * empty message. A response over the 4 MiB limit is sent as RESOURCE_EXHAUSTED instead. */
void coco_ttrpc_call_reply(CocoTtrpcCall *call, const ProtobufCMessage *response);

/* call: (transfer full). Text is made valid UTF-8 before it is sent. */
void coco_ttrpc_call_fail(CocoTtrpcCall *call, CocoTtrpcCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* call: (transfer full), error: (transfer none). COCO_TTRPC_ERROR keeps its code, any other domain
 * is UNKNOWN. */
void coco_ttrpc_call_fail_error(CocoTtrpcCall *call, const GError *error);

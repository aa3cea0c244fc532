// SPDX-License-Identifier: Apache-2.0
/*
 * A ttrpc server on the GLib main context. Calls of one connection run concurrently: a handler may
 * keep its call for as long as it likes and reply in any order, and nothing else waits for it.
 *
 * Rules of the wire (ids, limits, which error for what) are those of containerd's Go server; they
 * live in ttrpc-frame.c and are listed there with their source.
 *
 * Ownership: a handler owns the call it is given and ends it with exactly one
 * coco_ttrpc_call_reply() or coco_ttrpc_call_fail*(). The request inside belongs to the call.
 * Ending a call whose connection is gone is fine and does nothing. Thread: that of the main context
 * which was the thread default at coco_ttrpc_server_new().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gio/gio.h>
#include <protobuf-c/protobuf-c.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct _CocoTtrpcServer CocoTtrpcServer;
typedef struct _CocoTtrpcCall CocoTtrpcCall;

/* call: (transfer full). user_data: what coco_ttrpc_server_add_service() was given. */
typedef void (*CocoTtrpcHandler)(CocoTtrpcCall *call, void *user_data);

typedef struct {
    const char *name; /* "CreateContainer" */
    const ProtobufCMessageDescriptor
        *request;             /* the payload is unpacked as this before the handler runs */
    CocoTtrpcHandler handler; /* NULL: answered with UNIMPLEMENTED */
} CocoTtrpcMethod;

typedef struct {
    const char *name; /* "grpc.AgentService" */
    const CocoTtrpcMethod *methods;
    size_t n_methods;
} CocoTtrpcService;

/* Called when a connection has gone, after its calls were cancelled; n_left: connections still
 * there. */
typedef void (*CocoTtrpcServerClosedFunc)(CocoTtrpcServer *server, unsigned int n_left,
                                          void *user_data);

CocoTtrpcServer *coco_ttrpc_server_new(void);

/* Stops listening and drops every connection. NULL is fine. */
void coco_ttrpc_server_free(CocoTtrpcServer *server);

/* service: (transfer none), must outlive the server. */
void coco_ttrpc_server_add_service(CocoTtrpcServer *server, const CocoTtrpcService *service,
                                   void *user_data);

/* Accepts connections on listen_fd (takes). With same_user, a peer on a unix socket whose effective
 * uid or gid (SO_PEERCRED) differs from ours is closed at once, as containerd's and the Go shims'
 * servers do. */
void coco_ttrpc_server_listen(CocoTtrpcServer *server, int listen_fd, bool same_user);

/* Serves one connection on fd (takes), which may be any non-blocking-capable byte stream: socket,
 * virtio-serial port, socketpair end. */
void coco_ttrpc_server_add_connection(CocoTtrpcServer *server, int fd);

void coco_ttrpc_server_set_closed_func(CocoTtrpcServer *server, CocoTtrpcServerClosedFunc func,
                                       void *user_data);

/* The decoded request: (transfer none), valid until the call ends. Cast to the type named in the
 * method table. */
const ProtobufCMessage *coco_ttrpc_call_get_request(const CocoTtrpcCall *call);

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

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoTtrpcServer, coco_ttrpc_server_free)

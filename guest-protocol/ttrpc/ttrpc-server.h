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

#include <gio/gio.h>

#include "guest-protocol/ttrpc/ttrpc-call.h"

typedef struct _CocoTtrpcServer CocoTtrpcServer;

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

/* Accepts connections on listen_fd (takes). With only_known, a peer on a unix socket whose
 * effective uid or gid (SO_PEERCRED) differs from ours is closed at once, as containerd's and the
 * Go shims' servers do, and so is one on vsock that is not the host: a container's loopback. */
void coco_ttrpc_server_listen(CocoTtrpcServer *server, int listen_fd, bool only_known);

/* Serves one connection on fd (takes), which may be any non-blocking-capable byte stream: socket,
 * virtio-serial port, socketpair end. */
void coco_ttrpc_server_add_connection(CocoTtrpcServer *server, int fd);

void coco_ttrpc_server_set_closed_func(CocoTtrpcServer *server, CocoTtrpcServerClosedFunc func,
                                       void *user_data);

/* func: NULL runs each handler at once. Calls of methods without a handler, and those that are no
 * message, are answered before. */
void coco_ttrpc_server_set_gate_func(CocoTtrpcServer *server, CocoTtrpcGateFunc func,
                                     void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoTtrpcServer, coco_ttrpc_server_free)

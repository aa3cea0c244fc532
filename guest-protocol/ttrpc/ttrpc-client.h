// SPDX-License-Identifier: Apache-2.0
/*
 * A ttrpc client on the GLib main context: any number of calls at once over one connection, each
 * with its own deadline and cancellable. It never reconnects; when the connection dies every
 * pending call fails with COCO_TTRPC_UNAVAILABLE (a response that had already arrived is delivered
 * first) and the closed function runs.
 *
 * Ownership: the client owns its descriptor. Freeing it fails the pending calls with
 * COCO_TTRPC_CANCELLED. Thread: that of the main context which was the thread default at
 * coco_ttrpc_client_new().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <gio/gio.h>
#include <protobuf-c/protobuf-c.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct _CocoTtrpcClient CocoTtrpcClient;

/* Runs at most once; reason: (transfer none). The client may be freed in it. */
typedef void (*CocoTtrpcClientClosedFunc)(CocoTtrpcClient *client, const GError *reason,
                                          void *user_data);

/* fd (takes): any connected byte stream; it is made non-blocking. */
CocoTtrpcClient *coco_ttrpc_client_new(int fd);
void coco_ttrpc_client_free(CocoTtrpcClient *client);

/* The connection is gone, which calls that it took along hear before the closed function does. */
bool coco_ttrpc_client_is_closed(const CocoTtrpcClient *client);

/* When the last bytes came, by the monotonic clock; 0: none yet. An answer that nobody waits for
 * any more counts as well. */
int64_t coco_ttrpc_client_heard_at(const CocoTtrpcClient *client);

void coco_ttrpc_client_set_closed_func(CocoTtrpcClient *client, CocoTtrpcClientClosedFunc func,
                                       void *user_data);

/* Metadata sent with every call from now on, e.g. "containerd-namespace-ttrpc". */
void coco_ttrpc_client_set_metadata(CocoTtrpcClient *client, const char *key, const char *value);

/* Sends one request. request: (transfer none), packed before this returns. reply_type: descriptor
 * of the answer. timeout_us: relative deadline, sent to the server and enforced here; 0 for none.
 * cancellable: nullable; firing it forgets the call here (the wire has no cancel).
 * callback: nullable (fire and forget). It never runs before this function has returned. */
void coco_ttrpc_client_call_async(CocoTtrpcClient *client, const char *service, const char *method,
                                  const ProtobufCMessage *request,
                                  const ProtobufCMessageDescriptor *reply_type, int64_t timeout_us,
                                  GCancellable *cancellable, GAsyncReadyCallback callback,
                                  void *user_data);

/* The answer (transfer full: coco_pb_free() or the type's own free), or NULL with error set: domain
 * COCO_TTRPC_ERROR, the code that came or one of UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED,
 * RESOURCE_EXHAUSTED (request over 4 MiB), INTERNAL (answer does not decode). The message is the
 * server's own, without prefix, on one line. source_object of the callback is NULL: the call
 * belongs to no GObject. */
ProtobufCMessage *coco_ttrpc_client_call_finish(GAsyncResult *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoTtrpcClient, coco_ttrpc_client_free)

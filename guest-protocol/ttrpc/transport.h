// SPDX-License-Identifier: Apache-2.0
/*
 * Where the agent is and how to get a byte stream to it, behind one form of address:
 *
 *     unix:///run/…/agent.sock     the host end of a virtio-serial channel (QEMU listens), or any
 * unix socket vsock://CID:PORT             AF_VSOCK
 *
 * A channel needs no waiting: what is written before the guest has opened its end is kept by QEMU.
 * vsock to a guest that is not up yet is refused or times out, so connecting tries again (spaced by
 * a timer, up to the deadline) until the guest listens.
 *
 * Ownership: descriptors returned belong to the caller.
 * Thread: that of the thread-default main context at the call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <gio/gio.h>

#define COCO_AGENT_VSOCK_PORT 1024             /* Kata: src/agent/src/config.rs */
#define COCO_AGENT_CHANNEL_NAME "coco.agent.0" /* /dev/virtio-ports/NAME in the guest */

/* Connects to address. timeout_us: relative deadline over all tries, 0 for none. cancellable:
 * nullable. */
void coco_transport_connect_async(const char *address, int64_t timeout_us,
                                  GCancellable *cancellable, GAsyncReadyCallback callback,
                                  void *user_data);

/* A connected, non-blocking, close-on-exec descriptor (caller owns), or -1 with error set
 * (COCO_TTRPC_ERROR: INVALID_ARGUMENT for an address that makes no sense, DEADLINE_EXCEEDED,
 * CANCELLED, UNAVAILABLE). */
int coco_transport_connect_finish(GAsyncResult *result, GError **error);

/* A listening descriptor on address (vsock://-1:PORT is any CID); -1 with error set. A stale unix
 * socket file in the way is an error: the caller decides. */
int coco_transport_listen(const char *address, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * The guest's end of a virtio-serial channel: finds the port by its name, and gives the server a
 * connection each time the host connects.
 *
 * Ownership: the channel owns its descriptors; the server is borrowed, must outlive it, and serves
 * nothing else (the channel takes its closed function). Thread: that of the thread-default main
 * context.
 */
#pragma once

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-server.h"

typedef struct _CocoChannel CocoChannel;

/* name: of the port, "coco.agent.0". Ports that appear later are found too. NULL with error set
 * when the kernel's device events cannot be listened to. */
CocoChannel *coco_channel_new(CocoTtrpcServer *server, const char *name, GError **error);
void coco_channel_free(CocoChannel *channel);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoChannel, coco_channel_free)

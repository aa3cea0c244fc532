// SPDX-License-Identifier: Apache-2.0
/*
 * Waits for the interface that a request is about: one that is attached while the guest runs is
 * there some milliseconds after the host has said so.
 *
 * Ownership: the request is borrowed until func runs.
 * Thread: main.
 */
#pragma once

#include <gio/gio.h>

#include "guest-protocol/proto/agent-pb.h"

/* error: NULL when it is there, else NOT_FOUND, or CANCELLED (transfer none). */
typedef void (*CocoInterfaceWaitFunc)(const GError *error, void *user_data);

/* Calls func once, at once when there is nothing to wait for. */
void coco_interface_wait(const Types__Interface *interface, unsigned int timeout_ms,
                         GCancellable *cancellable, CocoInterfaceWaitFunc func, void *user_data);

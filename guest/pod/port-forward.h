// SPDX-License-Identifier: Apache-2.0
/*
 * Connections from outside to what listens on the guest's loopback (port-forward): nobody else can
 * get there. A connection is a number, with an output and an input like a process has.
 *
 * Ownership: the table owns its connections; outputs and inputs are lent.
 * Thread: that of the thread-default main context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <gio/gio.h>

#include "guest/container/stdio.h"

/* Open or being opened, at once. */
#define COCO_GUEST_FORWARDS_MAX 64

typedef struct _CocoGuestForwards CocoGuestForwards;

/* Runs once, perhaps before the call returns. error: NULL on success (transfer none). */
typedef void (*CocoGuestForwardDone)(uint64_t connection, const GError *error, void *user_data);

CocoGuestForwards *coco_guest_forwards_new(void);
/* Closes all; what is being opened hears CANCELLED. NULL is fine. */
void coco_guest_forwards_free(CocoGuestForwards *forwards);

/* To port of 127.0.0.1, or of ::1 if there is nobody. cancellable: when it fires, nobody is told
 * and the connection is closed. */
void coco_guest_forwards_connect(CocoGuestForwards *forwards, uint32_t port,
                                 GCancellable *cancellable, CocoGuestForwardDone done,
                                 void *user_data);

/* NULL with NOT_FOUND. */
CocoOutput *coco_guest_forwards_get_output(CocoGuestForwards *forwards, uint64_t connection,
                                           GError **error);
CocoInput *coco_guest_forwards_get_input(CocoGuestForwards *forwards, uint64_t connection,
                                         GError **error);

/* Closes the direction to who listens (half), or all of it; what is not there is closed. */
void coco_guest_forwards_close(CocoGuestForwards *forwards, uint64_t connection, bool half);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoGuestForwards, coco_guest_forwards_free)

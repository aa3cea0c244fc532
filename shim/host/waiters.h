// SPDX-License-Identifier: Apache-2.0
/*
 * Who waits for one event: each is told once, in the order in which they came. A caller that gives
 * up is told so and forgotten, so that an event that is a year away gathers nobody.
 *
 * Ownership: the caller owns the object; what its functions get is theirs.
 * Thread: main.
 */
#pragma once

#include <gio/gio.h>

/* More than a connection holds of open calls. */
#define COCO_WAITERS_MAX 8192

typedef struct _CocoWaiters CocoWaiters;

/* error: NULL for the event itself, or what came in its place. (transfer none) */
typedef void (*CocoWaiterFunc)(const GError *error, void *user_data);

CocoWaiters *coco_waiters_new(void);

/* Nullable; whoever still waits hears nothing. May be called by one that is being told. */
void coco_waiters_free(CocoWaiters *waiters);

/* caller: nullable; fires when nobody wants the answer any more, which func hears as CANCELLED
 * (COCO_TTRPC_ERROR). Where it has fired already, or too many wait (RESOURCE_EXHAUSTED), func runs
 * before this returns. */
void coco_waiters_add(CocoWaiters *waiters, GCancellable *caller, CocoWaiterFunc func,
                      void *user_data);

/* Tells all. error: nullable. */
void coco_waiters_tell(CocoWaiters *waiters, const GError *error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoWaiters, coco_waiters_free)

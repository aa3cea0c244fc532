// SPDX-License-Identifier: Apache-2.0
/*
 * Which containers the kernel has killed for want of memory, for hosts that ask one by one.
 *
 * Ownership: a waiter is told once, at the latest when this is freed.
 * Thread: that of the main context.
 */
#pragma once

#include <gio/gio.h>

typedef struct _CocoOomEvents CocoOomEvents;

/* id: NULL with error on failure (transfer none both). Runs once, may run at once. */
typedef void (*CocoOomEventsFunc)(const char *id, const GError *error, void *user_data);

CocoOomEvents *coco_oom_events_new(void);
void coco_oom_events_free(CocoOomEvents *events);

void coco_oom_events_tell(CocoOomEvents *events, const char *id);
/* cancellable: nullable; the caller has gone. */
void coco_oom_events_wait(CocoOomEvents *events, GCancellable *cancellable, CocoOomEventsFunc func,
                          void *user_data);
/* Tells all who wait that nothing will come. */
void coco_oom_events_end(CocoOomEvents *events);

// SPDX-License-Identifier: Apache-2.0
/*
 * Tells that the kernel has announced something about devices (uevents). There is no udev here:
 * whoever waits for a device looks for it again.
 *
 * Ownership: the caller owns the object.
 * Thread: that of the main context which is the thread default.
 */
#pragma once

#include <glib.h>

typedef struct _CocoDeviceEvents CocoDeviceEvents;

/* The events may be freed in it. */
typedef void (*CocoDeviceEventsFunc)(void *user_data);

/* What comes after this returns is told, so that a device looked for now is seen one way or the
 * other. NULL with error set when the kernel refuses. */
CocoDeviceEvents *coco_device_events_new(CocoDeviceEventsFunc func, void *user_data,
                                         GError **error);
void coco_device_events_free(CocoDeviceEvents *events); /* nullable */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoDeviceEvents, coco_device_events_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * A file as a block device of the host, for a mount with option "loop". The kernel gives the device
 * up by itself when the last one who uses it is gone.
 *
 * Ownership: the descriptor is the caller's; until something is mounted it keeps the device.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* Result: a descriptor of the device, -1 with error set (G_IO_ERROR). out_device: its path,
 * g_free().
 */
int coco_loop_device_attach(const char *file, bool readonly, char **out_device, GError **error);

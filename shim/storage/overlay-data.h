// SPDX-License-Identifier: Apache-2.0
/*
 * mount(2) takes a page of options, and an overlay of some fifty layers has more: its lower layers
 * are then named relative to the directory that they have in common, which is made the working
 * directory, as containerd and runc do. (fsconfig(2) has an option for each layer, but Linux 6.5
 * and later only, and with paths of at most 255 bytes.)
 *
 * Ownership: results are the caller's.
 * Thread: any.
 */
#pragma once

#include <glib.h>

/* The options with relative lower layers, and the directory, which ends in '/'; NULL when that is
 * not possible. */
char *coco_overlay_data_compact(const char *data, char **out_directory);

// SPDX-License-Identifier: Apache-2.0
/*
 * The device behind the source of a storage with driver "blk", as Kata's hosts write it: a path
 * over PCI bridges ("02/03", "08.1"), or /dev/vdX.
 *
 * Only a device that is there is found: nothing waits for one to be plugged in.
 *
 * Source: Kata src/agent/src/pci.rs.
 * Ownership: results are the caller's.
 * Thread: any.
 */
#pragma once

#include <glib.h>

/* sys: "/sys", or a directory like it. Result: "/dev/vdb", g_free(); NULL with error set
 * (COCO_TTRPC_INVALID_ARGUMENT, COCO_TTRPC_NOT_FOUND). */
char *coco_block_device_find(const char *sys, const char *source, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * "FIRST-LAST": the users that QEMU runs as, another one for each VM of the host ([host]
 * qemu_uid_range).
 *
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct {
    uid_t first; /* 0: no range, all VMs share [host] qemu_user */
    uid_t last;
} CocoUidRange;

/* "" is no range. FALSE with error where the text is none, or names users that are not for this:
 * below 1000 are the system's, above 2^31 - 1 many programs break. */
bool coco_uid_range_parse(const char *text, CocoUidRange *out_range, GError **error);

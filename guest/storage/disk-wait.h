// SPDX-License-Identifier: Apache-2.0
/*
 * Waits for the disks of storages: one that is attached while the guest runs is there some
 * milliseconds after the host has said so. Being in sysfs is not enough: it can be opened later.
 *
 * Ownership: storages are borrowed until func runs.
 * Thread: main.
 */
#pragma once

#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* error: NULL when all are there, else NOT_FOUND (transfer none). */
typedef void (*CocoDiskWaitFunc)(const GError *error, void *user_data);

typedef struct _CocoDiskWait CocoDiskWait;

/* Calls func once: at once when nothing is missing, or is no disk's name at all, which whoever
 * mounts it will say. root: "", or a directory with a sys and a dev of its own; copied.
 * Returns what can be cancelled until func runs; NULL when it has run. */
CocoDiskWait *coco_disk_wait(const char *root, Grpc__Storage *const *storages, size_t n,
                             unsigned int timeout_ms, CocoDiskWaitFunc func, void *user_data);
/* func does not run. */
void coco_disk_wait_cancel(CocoDiskWait *wait);

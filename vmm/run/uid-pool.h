// SPDX-License-Identifier: Apache-2.0
/*
 * A user for the QEMU of one run directory that no other VM of the host has, so that a guest that
 * breaks out of its QEMU cannot reach the memory of another one.
 *
 *     POOL/UID -> RUN         the claim: a link, so it names its owner, and is there whole or not
 *     RUN/uid  -> POOL/UID    for who ends the VM
 *
 * A claim outlives the process that made it, as QEMU does. One whose run directory is gone, or has
 * another user, is stale, and is taken over by whoever comes across it.
 *
 * Ownership: strings are borrowed.
 * Thread: any; processes take turns by a lock on POOL.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "vmm/config/uid-range.h"

/* One for the whole host, whatever $COCO_RUN_DIR. */
#define COCO_UID_POOL "/run/coco/uids"

/* Fails when all are taken. run_dir: absolute; has none yet. */
bool coco_uid_pool_claim(const char *pool, const char *run_dir, const CocoUidRange *range,
                         uid_t *out_uid, GError **error);

/* False when run_dir has none. */
bool coco_uid_pool_find(const char *run_dir, uid_t *out_uid);

/* Gives it back; nothing runs as it any more. None is no error. */
void coco_uid_pool_release(const char *run_dir);

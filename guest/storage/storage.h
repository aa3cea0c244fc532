// SPDX-License-Identifier: Apache-2.0
/*
 * The storages of a sandbox or a container: what a host asks to be mounted before anything runs.
 *
 * Drivers: virtio-fs, ephemeral (tmpfs, hugetlbfs), local (a directory), overlayfs, blk (a disk),
 * erofs.multi-layer (disks that become an overlay). Others are UNIMPLEMENTED, and so is what a
 * storage asks for that is not done. Mount points are confined to the base directory; no link is
 * followed. Options are those of a list.
 *
 * A pod has one table. The same storage (mount point, driver, source, file system, options) asked
 * for again is only counted; another one at the same mount point is refused (ALREADY_EXISTS), and
 * so is one that would hide another. It is unmounted when the last set that has it is freed; an
 * ephemeral or local one, or one that says it is shared, stays as long as the table: it is an
 * emptyDir of the pod, whose containers come and go.
 *
 * The host's disks and its file server may take their time or for ever. So both directions exist in
 * a child, one after the other, beside which the agent goes on.
 *
 * Ownership: a table owns what is mounted and undoes it, the last first, when it is freed, after
 * the sets. Thread: that of the reaper.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest/system/reaper.h"

#define COCO_STORAGES_MAX 256        /* of a set */
#define COCO_STORAGE_PLACES_MAX 1024 /* of a table */

typedef struct _CocoStorageTable CocoStorageTable;
typedef struct _CocoStorages CocoStorages;

/* base: the directory that mount points must be below (copied). reaper: borrowed; nullable, then
 * all is done in this process. */
CocoStorageTable *coco_storage_table_new(const char *base, CocoReaper *reaper);
void coco_storage_table_free(CocoStorageTable *table);

/* New sizes for mounted tmpfs: nothing else of them changes. */
bool coco_storage_table_remount(const CocoStorageTable *table, Grpc__Storage *const *list,
                                size_t count, GError **error);

/* table: borrowed. */
CocoStorages *coco_storages_new(CocoStorageTable *table);
void coco_storages_free(CocoStorages *storages);

/* Mounts one after the other; on error what this call had mounted is undone. */
bool coco_storages_add(CocoStorages *storages, Grpc__Storage *const *list, size_t count,
                       GError **error);

/* Runs once, may run at once. */
typedef void (*CocoStoragesDone)(const GError *error, void *user_data);

/* The same in a child, in the order in which they are asked for; nothing at all is done at once.
 * Who waits when the table is freed is told CANCELLED. list: borrowed until done runs. */
void coco_storages_add_async(CocoStorages *storages, Grpc__Storage *const *list, size_t count,
                             CocoStoragesDone done, void *user_data);
/* storages: (transfer full). What was not undone in time stays. */
void coco_storages_free_async(CocoStorages *storages, CocoStoragesDone done, void *user_data);
/* coco_storage_table_remount() in its turn. list: borrowed until done runs. */
void coco_storage_table_remount_async(CocoStorageTable *table, Grpc__Storage *const *list,
                                      size_t count, CocoStoragesDone done, void *user_data);
/* All of the above is over when this returns. */
void coco_storage_table_stop(CocoStorageTable *table);

/* The names of the drivers, NULL-terminated, for GetGuestDetails. */
const char *const *coco_storage_drivers(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoStorageTable, coco_storage_table_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoStorages, coco_storages_free)

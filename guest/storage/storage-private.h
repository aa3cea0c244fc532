// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of storage.h share. For them only.
 *
 * Ownership: a set owns its list of mounts.
 * Thread: as storage.h.
 */
#pragma once

#include "guest/storage/storage.h"

struct _CocoStorages {
    char *base;
    GPtrArray *mounted; /* of CocoStorageMount, in order */
};

typedef struct {
    char *path;
    bool is_disk; /* its file system must be whole on the disk when it is unmounted */
} CocoStorageMount;

/* Mounts source, which for a disk is not what the storage says, on mount_point below the base. A
 * mount point that is mounted already is left as it is. */
bool coco_storages_mount(CocoStorages *storages, const Grpc__Storage *storage, const char *source,
                         const char *mount_point, GError **error);

/* Remembers a mount, to be undone with the set. */
void coco_storages_remember(CocoStorages *storages, const char *path, bool is_disk);

/* Driver "blk": a file system on a disk. */
bool coco_storages_add_disk(CocoStorages *storages, const Grpc__Storage *storage, GError **error);

/* One of several disks that become one overlay; by its options or its driver. */
bool coco_storage_is_layer(const Grpc__Storage *storage);

/* All layers in the list: mounts each in a directory beside the mount point and the overlay on it.
 */
bool coco_storages_add_layers(CocoStorages *storages, Grpc__Storage *const *list, size_t count,
                              GError **error);

/* Makes what a file system on a disk holds complete there, before it is unmounted. */
void coco_storage_settle_disk(const char *path);

// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of storage.h share. For them only: storage.c has the drivers, storage-disk.c those
 * of disks, storage-place.c what is mounted where, storage-options.c the words, storage-task.c what
 * is done beside the agent.
 *
 * Ownership: a table owns its places, a place its mounts.
 * Thread: as storage.h.
 */
#pragma once

#include <sys/types.h>

#include "guest/storage/storage.h"

/* Layers are mounted in a directory of this name beside the mount point. */
#define COCO_STORAGE_LAYERS ".layers"

/* One storage of the pod, however many of its containers use it. */
typedef struct {
    CocoStorageTable *table;
    char *path;     /* the mount point, in one spelling only */
    char *identity; /* digest of all that was asked for, but the mount point */
    unsigned int users;
    bool is_pods; /* stays without users, once it is complete */
    bool complete;
    GPtrArray *mounts; /* of Mount, in order; empty for a directory */
    bool is_tmpfs;
    unsigned long flags; /* of the tmpfs */
} CocoStoragePlace;

typedef struct _CocoStorageTask CocoStorageTask;

struct _CocoStorageTable {
    char *base;
    GPtrArray *places;        /* of CocoStoragePlace, the oldest first */
    CocoReaper *reaper;       /* nullable */
    GQueue tasks;             /* of CocoStorageTask, which wait for their turn */
    CocoStorageTask *current; /* nullable */
};

struct _CocoStorages {
    CocoStorageTable *table;
    GPtrArray *places; /* of CocoStoragePlace, each used once for each time it is here */
};

/* ---- storage-place.c ---- */

/* What a host asks to be mounted on as the one path of that directory; NULL with error where
 * nothing may be mounted. g_free(). */
char *coco_storage_path(const CocoStorageTable *table, const char *mount_point, GError **error);

/* The place there, NULL with error when that is another storage; NULL without error when there is
 * none yet and there may be one. (transfer none) */
CocoStoragePlace *coco_storage_find(const CocoStorageTable *table, const char *path,
                                    const char *identity, GError **error);

/* (transfer full) until coco_storage_place_keep(). */
CocoStoragePlace *coco_storage_place_new(CocoStorageTable *table, const char *path,
                                         const char *identity);
void coco_storage_place_keep(CocoStoragePlace *place);
void coco_storage_place_free(CocoStoragePlace *place);
/* Without undoing anything: another process has done that. */
void coco_storage_place_forget(CocoStoragePlace *place);

void coco_storage_place_use(CocoStoragePlace *place);
/* What was asked for with it is there, too: it stays if it is the pod's. */
void coco_storage_place_complete(CocoStoragePlace *place);
/* True: nobody uses it any more, and it is the caller's to free. */
bool coco_storage_place_unuse(CocoStoragePlace *place);

/* For another process, whose table is the same but for this place. */
#define COCO_STORAGE_PLACE_TYPE "(aysbbta(ayttb))"
GVariant *coco_storage_place_pack(const CocoStoragePlace *place);
CocoStoragePlace *coco_storage_place_unpack(CocoStorageTable *table, GVariant *packed);

/* Opens or makes path, on which nothing is mounted yet. -1 with error set. */
int coco_storage_open_free(const CocoStoragePlace *place, const char *path, GError **error);

/* Remembers what was just mounted on path, to be undone with the place. */
bool coco_storage_place_add(CocoStoragePlace *place, const char *path, bool is_disk,
                            GError **error);

/* The mount point of the place is still what was mounted there; O_PATH. -1 with error set. */
int coco_storage_place_open(const CocoStoragePlace *place, GError **error);

/* ---- storage-task.c ---- */

/* Ends what was begun, and tells those who wait, CANCELLED. */
void coco_storage_tasks_end(CocoStorageTable *table);

/* ---- storage.c ---- */

/* The set has it once more. */
void coco_storages_use(CocoStorages *storages, CocoStoragePlace *place);

/* Mounts source, which for a disk is not what the storage says, on path below the base. */
bool coco_storage_mount(CocoStoragePlace *place, const Grpc__Storage *storage, const char *source,
                        const char *path, unsigned long flags, const char *data, GError **error);

/* ---- storage-disk.c ---- */

/* Driver "blk": a file system on a disk. */
bool coco_storage_add_disk(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error);

/* One of several disks that become one overlay; by its options or its driver. */
bool coco_storage_is_layer(const Grpc__Storage *storage);

/* The layer that is written to, whose mount point is the overlay's. NULL with error set when there
 * is none, or there are several. */
const Grpc__Storage *coco_storage_find_upper(Grpc__Storage *const *list, size_t count,
                                             GError **error);

/* All layers in the list: mounts each in a directory beside the mount point and the overlay on it.
 */
bool coco_storage_add_layers(CocoStoragePlace *place, Grpc__Storage *const *list, size_t count,
                             GError **error);

/* Makes what a file system on a disk holds complete there, before it is unmounted; directory may be
 * opened with O_PATH. alone: nobody else has the disk mounted. */
void coco_storage_flush_disk(int directory, bool alone);

/* ---- storage-options.c ---- */

/* Splits the options into flags of mount(2) and its data, joined by commas (g_free()). */
bool coco_storage_parse_options(const Grpc__Storage *storage, unsigned long *out_flags,
                                char **out_data, GError **error);

/* The data of a remount: what may change. */
bool coco_storage_parse_remount(const Grpc__Storage *storage, unsigned long mounted_flags,
                                char **out_data, GError **error);

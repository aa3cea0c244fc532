// SPDX-License-Identifier: Apache-2.0
/*
 * The storages of a sandbox or a container: what a host asks to be mounted before anything runs.
 *
 * Drivers: virtio-fs, ephemeral (tmpfs, hugetlbfs), local (a directory), overlayfs, blk (a disk),
 * erofs.multi-layer (disks that become an overlay). Others are UNIMPLEMENTED. Mount points are
 * confined to the base directory; no link is followed out of it.
 *
 * Ownership: a set owns its mounts and takes them away, the last first, when it is freed.
 * Thread: any; mounting virtiofs waits for the host's file server, which is up before the guest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

#define COCO_STORAGES_MAX 256

typedef struct _CocoStorages CocoStorages;

/* base: the directory that mount points must be below (copied). */
CocoStorages *coco_storages_new(const char *base);
void coco_storages_free(CocoStorages *storages);

/* Mounts one after the other; on error what this call had mounted is undone. A mount point that is
 * mounted already is left as it is. */
bool coco_storages_add(CocoStorages *storages, Grpc__Storage *const *list, size_t count,
                       GError **error);

/* New options, the size in particular, for mounted tmpfs. */
bool coco_storages_remount(CocoStorages *storages, Grpc__Storage *const *list, size_t count,
                           GError **error);

/* Splits mount(8) options into flags and the rest, joined by commas (g_free()). */
unsigned long coco_storage_parse_options(char *const *options, size_t count, char **out_data);

/* The names of the drivers, NULL-terminated, for GetGuestDetails. */
const char *const *coco_storage_drivers(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoStorages, coco_storages_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * What is to be mounted and exported for one container, worked out from its OCI mounts and the
 * snapshotter's without looking at a file: looking may block for ever, so it is left to
 * volume-mounts.h, in a child process.
 *
 * Ownership: a plan owns its steps; containerd's mounts and their strings are lent to it.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "guest-protocol/proto/task-pb.h"

typedef enum {
    COCO_VOLUME_DISK,        /* nothing is mounted: a file or block device that must be there */
    COCO_VOLUME_ROOT_MOUNTS, /* the root file system, from mounts */
    COCO_VOLUME_BIND,        /* a file or a directory of the host */
    COCO_N_VOLUME_KINDS,
} CocoVolumeKind;

typedef struct {
    CocoVolumeKind kind;
    char *what;   /* "mount for '/data'": begins an error's message */
    char *source; /* path on the host; NULL for ROOT_MOUNTS */
    char *fstype; /* of a DISK, else NULL */
    char *place;  /* "<id>/rootfs" or one name, below the directory of mounts; NULL for DISK */
    bool recursive;
    uint64_t attributes;           /* MOUNT_ATTR_…, of the mount itself */
    uint64_t recursive_attributes; /* and of those below it too */
    Containerd__Types__Mount *const *mounts;
    size_t n_mounts;
} CocoVolumeStep;

typedef struct _CocoVolumePlan CocoVolumePlan;

CocoVolumePlan *coco_volume_plan_new(const char *id);
void coco_volume_plan_free(CocoVolumePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoVolumePlan, coco_volume_plan_free)

const char *coco_volume_plan_id(const CocoVolumePlan *plan);
size_t coco_volume_plan_length(const CocoVolumePlan *plan);
const CocoVolumeStep *coco_volume_plan_step(const CocoVolumePlan *plan, size_t i);

/* What has a file system in it for the VM, or the host, to mount. */
void coco_volume_plan_add_disk(CocoVolumePlan *plan, const char *fstype, const char *path);

/* The root file system as containerd describes it: mounts on top of each other, or none and a
 * directory that is there already. Error: one that has a target of its own. */
bool coco_volume_plan_add_root(CocoVolumePlan *plan, Containerd__Types__Mount *const *mounts,
                               size_t n_mounts, const char *root_path, GError **error);

/* A bind mount of the spec. Result: its path in the guest; g_free(). options: "rbind", "ro", "rro",
 * …; others are the guest's matter. */
char *coco_volume_plan_add_bind(CocoVolumePlan *plan, const char *source, const char *destination,
                                char *const *options, size_t n_options);

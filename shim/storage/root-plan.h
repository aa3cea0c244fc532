// SPDX-License-Identifier: Apache-2.0
/*
 * How a container's root file system, as a snapshotter describes it, gets into the VM:
 *
 *     SHARED   mounted on the host and exported (overlayfs, native; whatever has no other form
 * here) DISK     one file system on a disk (blockfile, devmapper, a view of one erofs layer) LAYERS
 * an overlay that the guest makes of disks: erofs layers below one ext4 to write to
 *
 * Mounts as containerd 1.6 to 2.3 hand them over. No file is looked at here.
 *
 * Ownership: a plan owns all in it.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/task-pb.h"
#include "shim/storage/volume-plan.h"

/* Lower layers of one container; with the one to write to, what a VM takes. */
#define COCO_ROOT_LAYERS_MAX 127

typedef enum {
    COCO_ROOT_SHARED,
    COCO_ROOT_DISK,
    COCO_ROOT_LAYERS,
    COCO_N_ROOT_FORMS,
} CocoRootForm;

typedef struct {
    char *path;
    char *fstype;
    char **options; /* those of the file system itself */
    bool readonly;
} CocoRootDisk;

typedef struct {
    CocoRootForm form;
    char *why_shared; /* nullable: why there are disks and they are mounted on the host all the same
                       */
    CocoRootDisk *disks; /* LAYERS: the one to write to, then the others from the top down */
    size_t n_disks;
} CocoRootPlan;

void coco_root_plan_clear(CocoRootPlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoRootPlan, coco_root_plan_clear)

/* False with error set (COCO_TTRPC_INVALID_ARGUMENT) when no way of mounting these can work. */
bool coco_root_plan_make(Containerd__Types__Mount *const *mounts, size_t n, CocoRootPlan *out_plan,
                         GError **error);

/* Has the volumes' process look whether the sources of file systems are there. */
void coco_root_plan_check_later(Containerd__Types__Mount *const *mounts, size_t n,
                                CocoVolumePlan *volumes);

/* What the guest is to mount on mount_point for a plan with disks, which the VM has at these places
 * (Kata's form of storages; nullable-terminated like GStrv, as many as disks). Result: n_disks
 * messages; coco_root_storages_free(). */
Grpc__Storage **coco_root_plan_storages(const CocoRootPlan *plan, char *const *places,
                                        const char *mount_point);
void coco_root_storages_free(Grpc__Storage **storages, size_t n);

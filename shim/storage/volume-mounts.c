// SPDX-License-Identifier: Apache-2.0
/*
 * One function for each kind of step. A source is opened once: what was looked at is what is
 * mounted.
 */
#include "shim/storage/volume-mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/host/system-error.h"
#include "shim/storage/host-mounts.h"
#include "shim/storage/mount-tree.h"
#include "shim/storage/share.h"

typedef struct {
    int mounts; /* the directory */
    const char *path;
    const char *id;
} Place;

typedef bool (*StepFunc)(const CocoVolumeStep *step, const Place *place, GError **error);

/* The kernel's own word would be "Block device required", and not of which. */
static bool
check_disk(const CocoVolumeStep *step, const Place *place, GError **error)
{
    struct stat info;
    const char *cause = NULL;

    if (stat(step->source, &info) != 0)
        cause = g_strerror(errno);
    else if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode))
        cause = "neither a file nor a block device";
    if (cause == NULL)
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT, "mount %s '%s': %s",
                step->fstype, step->source, cause);
    return false;
}

/* <id>/rootfs, or a name: then its type is the source's. */
static int
make_point(const CocoVolumeStep *step, const Place *place, bool is_directory, GError **error)
{
    g_auto(CocoFd) parent = -1;

    if (strchr(step->place, '/') == NULL)
        return coco_mount_point_make(place->mounts, step->place, is_directory, error);
    parent = coco_mount_point_make(place->mounts, place->id, true, error);
    return parent >= 0 ? coco_mount_point_make(parent, "rootfs", true, error) : -1;
}

static bool
check_type(int tree, const char *source, bool *out_is_directory, GError **error)
{
    struct stat info;

    if (fstat(tree, &info) != 0)
        return coco_system_error(error, "look at mount source", source);
    *out_is_directory = S_ISDIR(info.st_mode);
    if (S_ISDIR(info.st_mode) || S_ISREG(info.st_mode))
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                "share '%s': a socket, pipe or device of the host does not work in a VM", source);
    return false;
}

static bool
do_bind(const CocoVolumeStep *step, const Place *place, GError **error)
{
    g_auto(CocoFd) tree = coco_mount_tree_clone(step->source, step->recursive, error);
    g_auto(CocoFd) point = -1;
    bool is_directory = false;

    if (tree < 0 || !check_type(tree, step->source, &is_directory, error) ||
        !coco_mount_tree_set(tree, step->recursive_attributes, 0, true, error) ||
        !coco_mount_tree_set(tree, step->attributes, 0, false, error))
        return false;
    point = make_point(step, place, is_directory, error);
    return point >= 0 && coco_mount_tree_attach(tree, point, error);
}

static bool
do_root_mounts(const CocoVolumeStep *step, const Place *place, GError **error)
{
    g_auto(CocoFd) point = make_point(step, place, true, error);
    g_autofree char *layers = coco_share_layers(place->path, place->id);

    return point >= 0 && coco_host_mounts_make(step->mounts, step->n_mounts, layers, point, error);
}

bool
coco_volume_mounts_make(const CocoVolumePlan *plan, const char *mounts, CocoForkedReport *report,
                        GError **error)
{
    static const StepFunc steps[COCO_N_VOLUME_KINDS] = {
        [COCO_VOLUME_DISK] = check_disk,
        [COCO_VOLUME_ROOT_MOUNTS] = do_root_mounts,
        [COCO_VOLUME_BIND] = do_bind,
    };
    g_auto(CocoFd) directory = open(mounts, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    Place place = { .mounts = directory, .path = mounts, .id = coco_volume_plan_id(plan) };

    if (directory < 0)
        return coco_system_error(error, "open directory of mounts", mounts);
    for (size_t i = 0; i < coco_volume_plan_length(plan); i++) {
        const CocoVolumeStep *step = coco_volume_plan_step(plan, i);

        coco_forked_report_step(report, step->what);
        if (!steps[step->kind](step, &place, error)) {
            g_prefix_error(error, "%s: ", step->what);
            return false;
        }
    }
    return true;
}

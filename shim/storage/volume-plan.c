// SPDX-License-Identifier: Apache-2.0
/*
 * Steps by kind. What of a mount's options is enforced on the host is so because the guest is not
 * believed: read-only. Devices and set-user-id programs of a volume are the guest kernel's matter,
 * which has both from virtiofs as the files' modes; on the host nothing is ever run or opened as a
 * device from there, so the host refuses both for every mount.
 */
#include "shim/storage/volume-plan.h"

#include <string.h>
#include <sys/mount.h>

#include <gio/gio.h>

#include "shim/storage/share.h"

/* Of a bind mount's own part, so that the whole stays below NAME_MAX. */
#define BASE_MAX_BYTES 100

struct _CocoVolumePlan {
    char *id;
    GPtrArray *steps;
};

static void
step_free(void *data)
{
    CocoVolumeStep *step = data;

    g_free(step->what);
    g_free(step->source);
    g_free(step->fstype);
    g_free(step->place);
    g_free(step);
}

CocoVolumePlan *
coco_volume_plan_new(const char *id)
{
    CocoVolumePlan *plan = g_new0(CocoVolumePlan, 1);

    plan->id = g_strdup(id);
    plan->steps = g_ptr_array_new_with_free_func(step_free);
    return plan;
}

void
coco_volume_plan_free(CocoVolumePlan *plan)
{
    if (plan == NULL)
        return;
    g_ptr_array_unref(plan->steps);
    g_free(plan->id);
    g_free(plan);
}

const char *
coco_volume_plan_id(const CocoVolumePlan *plan)
{
    return plan->id;
}

size_t
coco_volume_plan_length(const CocoVolumePlan *plan)
{
    return plan->steps->len;
}

const CocoVolumeStep *
coco_volume_plan_step(const CocoVolumePlan *plan, size_t i)
{
    return g_ptr_array_index(plan->steps, i);
}

static CocoVolumeStep *
add(CocoVolumePlan *plan, CocoVolumeKind kind, const char *source)
{
    CocoVolumeStep *step = g_new0(CocoVolumeStep, 1);

    step->kind = kind;
    step->source = g_strdup(source);
    step->recursive_attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
    g_ptr_array_add(plan->steps, step);
    return step;
}

static char *
root_of(const CocoVolumePlan *plan)
{
    return g_strdup_printf("root file system of container %s", plan->id);
}

void
coco_volume_plan_add_disk(CocoVolumePlan *plan, const char *fstype, const char *path)
{
    CocoVolumeStep *step = add(plan, COCO_VOLUME_DISK, path);

    step->what = root_of(plan);
    step->fstype = g_strdup(fstype);
}

/* Read-only stays the guest's matter even where the spec says so: its runtime first makes the mount
 * points for the volumes in it. */
bool
coco_volume_plan_add_root(CocoVolumePlan *plan, Containerd__Types__Mount *const *mounts,
                          size_t n_mounts, const char *root_path, GError **error)
{
    CocoVolumeStep *step;

    for (size_t i = 0; i < n_mounts; i++) {
        if (mounts[i]->target == NULL || mounts[i]->target[0] == '\0')
            continue;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "mount '%s' on '%s': a target inside the root file system is not supported",
                    mounts[i]->source, mounts[i]->target);
        return false;
    }
    step = add(plan, n_mounts > 0 ? COCO_VOLUME_ROOT_MOUNTS : COCO_VOLUME_BIND,
               n_mounts > 0 ? NULL : root_path);
    step->what = root_of(plan);
    step->place = g_build_filename(plan->id, "rootfs", NULL);
    step->recursive = true;
    step->mounts = mounts;
    step->n_mounts = n_mounts;
    return true;
}

/* <id>-<16 hex>-<last component of the destination>, cut and cleaned. */
static char *
bind_name(const char *id, const char *destination)
{
    g_autofree char *base = g_path_get_basename(destination);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, destination, -1);

    digest[16] = '\0';
    if (strlen(base) > BASE_MAX_BYTES)
        base[BASE_MAX_BYTES] = '\0';
    return g_strdup_printf("%s-%s-%s", id, digest, strcmp(base, "/") == 0 ? "root" : base);
}

/* Below a plain "ro" a mount that can be written to stays so, as with mount(2). The last word
 * counts. */
static void
take_option(CocoVolumeStep *step, const char *option)
{
    if (strcmp(option, "rbind") == 0) {
        step->recursive = true;
    } else if (strcmp(option, "ro") == 0) {
        step->attributes |= MOUNT_ATTR_RDONLY;
    } else if (strcmp(option, "rro") == 0) {
        step->recursive_attributes |= MOUNT_ATTR_RDONLY;
    } else if (strcmp(option, "rw") == 0) {
        step->attributes &= ~(uint64_t) MOUNT_ATTR_RDONLY;
    } else if (strcmp(option, "rrw") == 0) {
        step->recursive_attributes &= ~(uint64_t) MOUNT_ATTR_RDONLY;
    }
}

char *
coco_volume_plan_add_bind(CocoVolumePlan *plan, const char *source, const char *destination,
                          char *const *options, size_t n_options)
{
    CocoVolumeStep *step = add(plan, COCO_VOLUME_BIND, source);

    step->what = g_strdup_printf("mount for '%s'", destination);
    step->place = bind_name(plan->id, destination);
    for (size_t i = 0; i < n_options; i++)
        take_option(step, options[i]);
    return g_build_filename(COCO_SHARE_IN_GUEST, step->place, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Sorts mounts into the three forms (root-plan.h).
 *
 * Templates are expanded with "#0", "#1", … for mount points: what comes out says which disk is
 * meant where.
 */
#include "shim/storage/root-plan.h"

#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/storage/mount-template.h"

#define MKDIR_OPTION "X-containerd.mkdir.path="

/* Those of a disk that the guest's kernel image knows; xfs is mounted on the host. */
static const char *const disk_types[] = { "ext4", "ext3", "ext2", "erofs", NULL };

void
coco_root_plan_clear(CocoRootPlan *plan)
{
    for (size_t i = 0; i < plan->n_disks; i++) {
        g_free(plan->disks[i].path);
        g_free(plan->disks[i].fstype);
        g_strfreev(plan->disks[i].options);
    }
    g_clear_pointer(&plan->disks, g_free);
    g_clear_pointer(&plan->why_shared, g_free);
    plan->n_disks = 0;
}

/* The plan is to mount on the host; always false, for `return share(…)`. */
static bool share(CocoRootPlan *plan, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool
share(CocoRootPlan *plan, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    plan->why_shared = g_strdup_vprintf(format, args);
    va_end(args);
    return false;
}

/* "mkdir/overlay" of "format/mkdir/overlay" is what matters. */
static const char *
plain_type(const char *type)
{
    const char *slash = strrchr(type, '/');

    return slash != NULL ? slash + 1 : type;
}

static bool
is_disk_type(const char *type)
{
    return g_strv_contains(disk_types, type) || strcmp(type, "xfs") == 0;
}

/* Options that are not the file system's, and those that the guest cannot do. */
static bool
take_options(CocoRootPlan *plan, CocoRootDisk *disk, const Containerd__Types__Mount *mount)
{
    static const char *const foreign[] = { "device=", "X-containerd.",
                                           "offset=", "sizelimit=", "loop=" };
    g_autoptr(GStrvBuilder) options = g_strv_builder_new();

    for (size_t i = 0; i < mount->n_options; i++) {
        const char *option = mount->options[i];

        for (size_t j = 0; j < G_N_ELEMENTS(foreign); j++) {
            if (g_str_has_prefix(option, foreign[j]))
                return share(plan, "'%s' has option '%s'", mount->source, option);
        }
        if (strcmp(option, "ro") == 0 || strcmp(option, "rw") == 0)
            disk->readonly = option[1] == 'o';
        else if (strcmp(option, "loop") != 0)
            g_strv_builder_add(options, option);
    }
    disk->options = g_strv_builder_end(options);
    return true;
}

/* Appends a disk for the mount; false when it is to be mounted on the host. */
static bool
add_disk(CocoRootPlan *plan, const Containerd__Types__Mount *mount)
{
    CocoRootDisk *disk;

    if (!g_strv_contains(disk_types, mount->type))
        return share(plan, "a guest does not mount '%s'", mount->type);
    plan->disks = g_renew(CocoRootDisk, plan->disks, plan->n_disks + 1);
    disk = &plan->disks[plan->n_disks++];
    *disk = (CocoRootDisk){ .path = g_strdup(mount->source),
                            .fstype = g_strdup(mount->type),
                            .readonly = strcmp(mount->type, "erofs") == 0 };
    if (!take_options(plan, disk, mount))
        return false;
    if (strcmp(mount->type, "erofs") == 0 && !disk->readonly)
        return share(plan, "'%s' is an erofs to write to", mount->source);
    return true;
}

typedef struct {
    char *upper;
    char *work;
    char *lower;
} Overlay;

static void
overlay_clear(Overlay *overlay)
{
    g_free(overlay->upper);
    g_free(overlay->work);
    g_free(overlay->lower);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Overlay, overlay_clear)

/* The guest makes the two directories as these options want them, so they are only looked at. */
static bool
take_overlay(CocoRootPlan *plan, const Containerd__Types__Mount *mount, const char *const *names,
             size_t n, Overlay *overlay, GError **error)
{
    for (size_t i = 0; i < mount->n_options; i++) {
        g_autofree char *option = coco_mount_template_expand(mount->options[i], names, n, error);

        if (option == NULL)
            return false;
        if (g_str_has_prefix(option, "upperdir=") && overlay->upper == NULL)
            overlay->upper = g_strdup(strchr(option, '=') + 1);
        else if (g_str_has_prefix(option, "workdir=") && overlay->work == NULL)
            overlay->work = g_strdup(strchr(option, '=') + 1);
        else if (g_str_has_prefix(option, "lowerdir=") && overlay->lower == NULL)
            overlay->lower = g_strdup(strchr(option, '=') + 1);
        else if (!g_str_has_prefix(option, MKDIR_OPTION "#0/"))
            return share(plan, "the overlay has option '%s'", mount->options[i]);
    }
    return true;
}

/* The form that the erofs snapshotter gives it: mount 0 to write to, all others below it. */
static bool
is_layered(CocoRootPlan *plan, const Overlay *overlay, const char *const *names, size_t n)
{
    g_autofree char *lower = g_strjoinv(":", (char **) (void *) (names + 1));

    if (g_strcmp0(overlay->upper, "#0/upper") != 0 || g_strcmp0(overlay->work, "#0/work") != 0)
        return share(plan, "the overlay is written to a directory of the host");
    if (n < 2 || g_strcmp0(overlay->lower, lower) != 0)
        return share(plan, "the overlay's lower layers are not the disks");
    if (plan->disks[0].readonly || strcmp(plan->disks[0].fstype, "ext4") != 0)
        return share(plan, "the layer to write to is no writable ext4");
    for (size_t i = 1; i < n; i++) {
        if (strcmp(plan->disks[i].fstype, "erofs") != 0)
            return share(plan, "'%s' is no erofs", plan->disks[i].path);
    }
    return true;
}

/* Several mounts, of which the last one is the root. error is set when the templates are wrong. */
static bool
plan_layers(CocoRootPlan *plan, Containerd__Types__Mount *const *mounts, size_t n, GError **error)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) names = NULL;
    g_auto(Overlay) overlay = { 0 };
    const Containerd__Types__Mount *last = mounts[n - 1];

    if (strcmp(plain_type(last->type), "overlay") != 0)
        return share(plan, "the root is a %s of several mounts", plain_type(last->type));
    for (size_t i = 0; i < n - 1; i++) {
        g_autofree char *name = g_strdup_printf("#%zu", i);

        g_strv_builder_add(builder, name);
        if (!add_disk(plan, mounts[i]))
            return false;
    }
    names = g_strv_builder_end(builder);
    return take_overlay(plan, last, (const char *const *) names, n - 1, &overlay, error) &&
           is_layered(plan, &overlay, (const char *const *) names, n - 1);
}

static bool
check_mounts(Containerd__Types__Mount *const *mounts, size_t n, bool *out_disks, GError **error)
{
    *out_disks = false;
    for (size_t i = 0; i < n; i++) {
        /* containerd has made the file system before it starts us: we do not claim to. */
        if (g_str_has_prefix(mounts[i]->type, "mkfs/")) {
            g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                        "mount %s '%s': the file system is not made", mounts[i]->type,
                        mounts[i]->source);
            return false;
        }
        *out_disks = *out_disks || is_disk_type(mounts[i]->type);
    }
    if (*out_disks && n > COCO_ROOT_LAYERS_MAX + 2) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "%zu layers are more than the %d that a VM takes", n - 2, COCO_ROOT_LAYERS_MAX);
        return false;
    }
    return true;
}

bool
coco_root_plan_make(Containerd__Types__Mount *const *mounts, size_t n, CocoRootPlan *out_plan,
                    GError **error)
{
    g_auto(CocoRootPlan) plan = { .form = COCO_ROOT_SHARED };
    g_autoptr(GError) failure = NULL;
    bool has_disks;
    bool planned = false;

    if (!check_mounts(mounts, n, &has_disks, error))
        return false;
    if (has_disks)
        planned = n == 1 ? add_disk(&plan, mounts[0]) : plan_layers(&plan, mounts, n, &failure);
    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    *out_plan = (CocoRootPlan){ .why_shared = g_steal_pointer(&plan.why_shared) };
    if (planned) {
        out_plan->form = n == 1 ? COCO_ROOT_DISK : COCO_ROOT_LAYERS;
        out_plan->n_disks = plan.n_disks;
        out_plan->disks = g_steal_pointer(&plan.disks);
        plan.n_disks = 0;
    }
    return true;
}

void
coco_root_plan_check_later(Containerd__Types__Mount *const *mounts, size_t n,
                           CocoVolumePlan *volumes)
{
    for (size_t i = 0; i < n; i++) {
        if (is_disk_type(mounts[i]->type))
            coco_volume_plan_add_disk(volumes, mounts[i]->type, mounts[i]->source);
    }
}

static Grpc__Storage *
storage_of(const CocoRootPlan *plan, size_t i, const char *place, const char *mount_point)
{
    const CocoRootDisk *disk = &plan->disks[i];
    g_autoptr(GStrvBuilder) options = g_strv_builder_new();
    Grpc__Storage *storage = g_new(Grpc__Storage, 1);

    grpc__storage__init(storage);
    g_strv_builder_add(options, disk->readonly ? "ro" : "rw");
    g_strv_builder_addv(options, (const char **) (void *) disk->options);
    if (plan->form == COCO_ROOT_LAYERS) {
        g_strv_builder_add(options, "X-kata.multi-layer=true");
        g_strv_builder_add(options, i == 0 ? "X-kata.overlay-upper" : "X-kata.overlay-lower");
    }
    /* A place without PCI is a number on the channel subsystem. */
    storage->driver = g_strdup(g_str_has_prefix(place, "0.0.") ? "blk-ccw" : "blk");
    storage->source = g_strdup(place);
    storage->fstype = g_strdup(disk->fstype);
    storage->mount_point = g_strdup(mount_point);
    storage->options = g_strv_builder_end(options);
    storage->n_options = g_strv_length(storage->options);
    return storage;
}

Grpc__Storage **
coco_root_plan_storages(const CocoRootPlan *plan, char *const *places, const char *mount_point)
{
    Grpc__Storage **storages = g_new0(Grpc__Storage *, plan->n_disks + 1);

    for (size_t i = 0; i < plan->n_disks; i++)
        storages[i] = storage_of(plan, i, places[i], mount_point);
    return storages;
}

void
coco_root_storages_free(Grpc__Storage **storages, size_t n)
{
    for (size_t i = 0; i < n; i++)
        grpc__storage__auto_free(storages[i]);
    g_free(storages);
}

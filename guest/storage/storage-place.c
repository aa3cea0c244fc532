// SPDX-License-Identifier: Apache-2.0
/*
 * What is mounted where and how many use it. A host names mount points again and again: for each
 * container that has the volume, and for one that is started anew. What is there must then be what
 * is asked for, and nothing may hide what is there.
 *
 * A mount is undone by its id: whatever else came to be at its path is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/storage/storage-private.h"
#include "guest/system/paths.h"

typedef struct {
    char *path;
    uint64_t id;
    dev_t device;
    bool is_disk; /* its file system must be whole on the disk when it is unmounted */
} Mount;

static void
mount_free(void *data)
{
    Mount *mounted = data;

    g_free(mounted->path);
    g_free(mounted);
}

CocoStorageTable *
coco_storage_table_new(const char *base, CocoReaper *reaper)
{
    CocoStorageTable *table = g_new0(CocoStorageTable, 1);

    table->base = g_strdup(base);
    table->places = g_ptr_array_new();
    table->reaper = reaper;
    g_queue_init(&table->tasks);
    return table;
}

void
coco_storage_table_free(CocoStorageTable *table)
{
    if (table == NULL)
        return;
    coco_storage_table_stop(table);
    while (table->places->len > 0)
        coco_storage_place_free(table->places->pdata[table->places->len - 1]);
    g_ptr_array_unref(table->places);
    g_free(table->base);
    g_free(table);
}

/* ---- where ---- */

static bool
is_reserved(const char *rest)
{
    static const char *const reserved[] = { "", "shared", "sandbox", NULL };

    return g_strv_contains(reserved, rest);
}

char *
coco_storage_path(const CocoStorageTable *table, const char *mount_point, GError **error)
{
    const char *rest = coco_paths_below(table->base, mount_point, error);
    g_auto(GStrv) parts = NULL;
    g_autoptr(GString) path = g_string_new(NULL);

    if (rest == NULL)
        return NULL;
    parts = g_strsplit(rest, "/", -1);
    for (size_t i = 0; parts[i] != NULL; i++) {
        if (*parts[i] != '\0' && strcmp(parts[i], ".") != 0)
            g_string_append_printf(path, "%s%s", path->len > 0 ? "/" : "", parts[i]);
    }
    if (!is_reserved(path->str))
        return g_build_filename(table->base, path->str, NULL);
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                "storage '%.300s': nothing may be mounted there", mount_point);
    return NULL;
}

static bool
is_below(const char *path, const char *other)
{
    size_t length = strlen(other);

    return strncmp(path, other, length) == 0 && path[length] == '/';
}

CocoStoragePlace *
coco_storage_find(const CocoStorageTable *table, const char *path, const char *identity,
                  GError **error)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, identity, -1);

    for (unsigned int i = 0; i < table->places->len; i++) {
        CocoStoragePlace *place = table->places->pdata[i];

        if (strcmp(place->path, path) == 0 && strcmp(place->identity, sum) == 0)
            return place;
        if (strcmp(place->path, path) == 0) {
            g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_ALREADY_EXISTS,
                        "storage '%.300s': another one is mounted there", path);
            return NULL;
        }
        if (is_below(place->path, path)) {
            g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                        "storage '%.300s': it would hide '%.300s'", path, place->path);
            return NULL;
        }
    }
    if (table->places->len < COCO_STORAGE_PLACES_MAX)
        return NULL;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                "the pod has %d storages already", COCO_STORAGE_PLACES_MAX);
    return NULL;
}

static bool
read_status(int fd, struct statx *status)
{
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, status) == 0 &&
           (status->stx_mask & STATX_MNT_ID) != 0;
}

static bool
is_mount(int fd, uint64_t id)
{
    struct statx status;

    return read_status(fd, &status) && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 &&
           (id == 0 || status.stx_mnt_id == id);
}

int
coco_storage_open_free(const CocoStoragePlace *place, const char *path, GError **error)
{
    g_auto(CocoFd) target = coco_paths_make_place(place->table->base, path, 0755, error);

    if (target >= 0 && is_mount(target, 0)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_ALREADY_EXISTS,
                    "storage '%.300s': something is mounted there", path);
        return -1;
    }
    return coco_fd_steal(&target);
}

/* ---- a place ---- */

CocoStoragePlace *
coco_storage_place_new(CocoStorageTable *table, const char *path, const char *identity)
{
    CocoStoragePlace *place = g_new0(CocoStoragePlace, 1);

    place->table = table;
    place->path = g_strdup(path);
    place->identity = g_compute_checksum_for_string(G_CHECKSUM_SHA256, identity, -1);
    place->mounts = g_ptr_array_new_with_free_func(mount_free);
    return place;
}

void
coco_storage_place_keep(CocoStoragePlace *place)
{
    g_ptr_array_add(place->table->places, place);
}

bool
coco_storage_place_add(CocoStoragePlace *place, const char *path, bool is_disk, GError **error)
{
    g_auto(CocoFd) fd = coco_paths_open_place(place->table->base, path, error);
    struct statx status;
    Mount *mounted;

    if (fd < 0)
        return false;
    if (!read_status(fd, &status))
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "look at '%.300s': %s", path,
                                 g_strerror(errno));
    mounted = g_new(Mount, 1);
    *mounted = (Mount){ .path = g_strdup(path),
                        .id = status.stx_mnt_id,
                        .device = makedev(status.stx_dev_major, status.stx_dev_minor),
                        .is_disk = is_disk };
    g_ptr_array_add(place->mounts, mounted);
    return true;
}

int
coco_storage_place_open(const CocoStoragePlace *place, GError **error)
{
    g_auto(CocoFd) fd = coco_paths_open_place(place->table->base, place->path, error);
    const Mount *top = place->mounts->len > 0 ? place->mounts->pdata[place->mounts->len - 1] : NULL;

    if (fd >= 0 && (top == NULL || !is_mount(fd, top->id))) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "storage '%.300s': it is not mounted there any more", place->path);
        return -1;
    }
    return coco_fd_steal(&fd);
}

/* Not even in another place of the pod, which would become read-only with it. */
static bool
is_alone(const CocoStoragePlace *place, const Mount *one)
{
    for (unsigned int i = 0; i < place->table->places->len; i++) {
        const CocoStoragePlace *other = place->table->places->pdata[i];

        for (unsigned int j = 0; j < other->mounts->len; j++) {
            const Mount *mounted = other->mounts->pdata[j];

            if (mounted != one && mounted->device == one->device)
                return false;
        }
    }
    return true;
}

/* Disks have directories of their own, in one of the container's or beside the mount point. */
static void
remove_directories(const CocoStoragePlace *place, const char *path)
{
    const char *base = place->table->base;
    g_autofree char *parent = g_path_get_dirname(path);
    const char *rest;

    if (g_str_has_suffix(path, "/shared/containers"))
        return; /* the agent's own, whatever is mounted there */
    coco_paths_remove_place(base, path);
    rest = coco_paths_below(base, parent, NULL);
    if (rest != NULL && strchr(rest, '/') == NULL && !is_reserved(rest))
        coco_paths_remove_place(base, parent);
    else if (g_str_has_suffix(parent, COCO_STORAGE_LAYERS))
        remove_directories(place, parent);
}

static void
undo(const CocoStoragePlace *place, const Mount *mounted)
{
    g_auto(CocoFd) fd = coco_paths_open_place(place->table->base, mounted->path, NULL);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    if (fd < 0 || !is_mount(fd, mounted->id)) {
        g_message("'%s' is not mounted any more", mounted->path);
        return;
    }
    if (mounted->is_disk)
        coco_storage_flush_disk(fd, is_alone(place, mounted));
    if (umount2(path, MNT_DETACH) < 0)
        g_message("unmount '%s': %s", mounted->path, g_strerror(errno));
    coco_fd_clear(&fd);
    remove_directories(place, mounted->path);
}

void
coco_storage_place_free(CocoStoragePlace *place)
{
    while (place != NULL && place->mounts->len > 0) {
        undo(place, place->mounts->pdata[place->mounts->len - 1]);
        g_ptr_array_remove_index(place->mounts, place->mounts->len - 1);
    }
    coco_storage_place_forget(place);
}

void
coco_storage_place_forget(CocoStoragePlace *place)
{
    if (place == NULL)
        return;
    (void) g_ptr_array_remove(place->table->places, place);
    g_ptr_array_unref(place->mounts);
    g_free(place->path);
    g_free(place->identity);
    g_free(place);
}

void
coco_storage_place_use(CocoStoragePlace *place)
{
    place->users++;
}

void
coco_storage_place_complete(CocoStoragePlace *place)
{
    place->complete = true;
}

bool
coco_storage_place_unuse(CocoStoragePlace *place)
{
    return --place->users == 0 && !(place->is_pods && place->complete);
}

/* ---- for another process ---- */

#define MOUNT_TYPE "(ayttb)"

GVariant *
coco_storage_place_pack(const CocoStoragePlace *place)
{
    GVariantBuilder mounts;

    g_variant_builder_init(&mounts, G_VARIANT_TYPE("a" MOUNT_TYPE));
    for (unsigned int i = 0; i < place->mounts->len; i++) {
        const Mount *mounted = place->mounts->pdata[i];

        g_variant_builder_add(&mounts, "(^ayttb)", mounted->path, mounted->id,
                              (uint64_t) mounted->device, mounted->is_disk);
    }
    return g_variant_new("(^aysbbta" MOUNT_TYPE ")", place->path, place->identity, place->is_pods,
                         place->is_tmpfs, (uint64_t) place->flags, &mounts);
}

CocoStoragePlace *
coco_storage_place_unpack(CocoStorageTable *table, GVariant *packed)
{
    CocoStoragePlace *place = coco_storage_place_new(table, "", "");
    g_autoptr(GVariantIter) mounts = NULL;
    gboolean is_pods;
    gboolean is_tmpfs;
    gboolean is_disk;
    uint64_t flags;
    uint64_t device;
    uint64_t id;
    char *path;

    g_free(place->path);
    g_free(place->identity);
    g_variant_get(packed, "(^aysbbta" MOUNT_TYPE ")", &place->path, &place->identity, &is_pods,
                  &is_tmpfs, &flags, &mounts);
    place->is_pods = is_pods;
    place->is_tmpfs = is_tmpfs;
    place->flags = (unsigned long) flags;
    while (g_variant_iter_next(mounts, "(^ayttb)", &path, &id, &device, &is_disk)) {
        Mount *mounted = g_new(Mount, 1);

        *mounted = (Mount){ path, id, (dev_t) device, is_disk };
        g_ptr_array_add(place->mounts, mounted);
    }
    return place;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Drivers as a table. Mounting goes through a descriptor of the mount point (/proc/self/fd/N),
 * which was opened beneath the base directory, so nothing can be swapped between check and mount.
 *
 * Source: Kata src/agent/src/storage/.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/storage/storage-private.h"
#include "guest/system/paths.h"

/* Kata: the upper and work directories of an overlay are made inside this one. */
#define OVERLAY_CREATE_OPTION "io.katacontainers.volume.overlayfs.create_directory="
#define KATA_OPTION_PREFIX "io.katacontainers."
#define KATA_MARK_PREFIX "X-kata."

typedef bool (*MountFunc)(CocoStorages *storages, const Grpc__Storage *storage, GError **error);

typedef struct {
    const char *option;
    unsigned long flag;
    bool clears;
} MountFlag;

/* clang-format off */
static const MountFlag mount_flags[] = {
    { "ro", MS_RDONLY, false },       { "rw", MS_RDONLY, true },
    { "nosuid", MS_NOSUID, false },   { "suid", MS_NOSUID, true },
    { "nodev", MS_NODEV, false },     { "dev", MS_NODEV, true },
    { "noexec", MS_NOEXEC, false },   { "exec", MS_NOEXEC, true },
    { "sync", MS_SYNCHRONOUS, false }, { "async", MS_SYNCHRONOUS, true },
    { "dirsync", MS_DIRSYNC, false }, { "remount", MS_REMOUNT, false },
    { "noatime", MS_NOATIME, false }, { "nodiratime", MS_NODIRATIME, false },
    { "relatime", MS_RELATIME, false }, { "strictatime", MS_STRICTATIME, false },
    { "bind", MS_BIND, false },       { "rbind", MS_BIND | MS_REC, false },
    { "defaults", 0, false },
};
/* clang-format on */

unsigned long
coco_storage_parse_options(char *const *options, size_t count, char **out_data)
{
    unsigned long flags = 0;
    g_autoptr(GString) data = g_string_new(NULL);

    for (size_t i = 0; i < count; i++) {
        const MountFlag *found = NULL;

        for (size_t j = 0; j < G_N_ELEMENTS(mount_flags) && found == NULL; j++) {
            if (strcmp(options[i], mount_flags[j].option) == 0)
                found = &mount_flags[j];
        }
        if (found != NULL)
            flags = found->clears ? flags & ~found->flag : flags | found->flag;
        else if (!g_str_has_prefix(options[i], KATA_OPTION_PREFIX) &&
                 !g_str_has_prefix(options[i], KATA_MARK_PREFIX) &&
                 !g_str_has_prefix(options[i], "fsgid=") && *options[i] != '\0')
            g_string_append_printf(data, "%s%s", data->len > 0 ? "," : "", options[i]);
    }
    *out_data = g_string_free(g_steal_pointer(&data), FALSE);
    return flags;
}

static bool
mount_on(int target, const Grpc__Storage *storage, const char *source, unsigned long extra_flags,
         GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", target);
    g_autofree char *data = NULL;
    unsigned long flags =
        coco_storage_parse_options(storage->options, storage->n_options, &data) | extra_flags;

    if (mount(source, path, storage->fstype, flags, data) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "mount %s '%s' on '%s': %s",
                    storage->fstype, source, storage->mount_point, g_strerror(errno));
        return false;
    }
    return true;
}

static bool
set_owner(const char *base, const Grpc__Storage *storage, GError **error)
{
    g_auto(CocoFd) fd = -1;
    gid_t group = (gid_t) -1;
    mode_t mode = 0;

    for (size_t i = 0; i < storage->n_options; i++) {
        if (g_str_has_prefix(storage->options[i], "fsgid="))
            group = (gid_t) strtoul(storage->options[i] + strlen("fsgid="), NULL, 10);
        if (g_str_has_prefix(storage->options[i], "mode="))
            mode = (mode_t) strtoul(storage->options[i] + strlen("mode="), NULL, 8) & 07777;
    }
    if (storage->fs_group != NULL)
        group = storage->fs_group->group_id;
    if (group != (gid_t) -1)
        mode = (mode != 0 ? mode : 0775) | S_ISGID;
    if (mode == 0)
        return true;
    fd = coco_paths_open(base, storage->mount_point, O_RDONLY | O_DIRECTORY, 0, error);
    if (fd < 0)
        return false;
    if ((group != (gid_t) -1 && fchown(fd, (uid_t) -1, group) < 0) || fchmod(fd, mode) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "set owner of '%s': %s",
                    storage->mount_point, g_strerror(errno));
        return false;
    }
    return true;
}

/* True when a file system is mounted exactly there. */
static bool
is_mounted(int target)
{
    struct statx status;

    return statx(target, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

void
coco_storages_remember(CocoStorages *storages, const char *path, bool is_disk)
{
    CocoStorageMount *mounted = g_new(CocoStorageMount, 1);

    *mounted = (CocoStorageMount){ .path = g_strdup(path), .is_disk = is_disk };
    g_ptr_array_add(storages->mounted, mounted);
}

static void
storage_mount_free(void *data)
{
    CocoStorageMount *mounted = data;

    g_free(mounted->path);
    g_free(mounted);
}

bool
coco_storages_mount(CocoStorages *storages, const Grpc__Storage *storage, const char *source,
                    const char *mount_point, GError **error)
{
    g_auto(CocoFd) target = coco_paths_make_directory(storages->base, mount_point, 0755, error);

    if (target < 0)
        return false;
    if (is_mounted(target))
        return true;
    if (!mount_on(target, storage, source, 0, error))
        return false;
    coco_storages_remember(storages, mount_point, g_str_has_prefix(source, "/dev/"));
    return true;
}

static bool
mount_storage(CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    return coco_storages_mount(storages, storage, storage->source, storage->mount_point, error);
}

static bool
check_fstype(const Grpc__Storage *storage, const char *const *allowed, GError **error)
{
    if (g_strv_contains(allowed, storage->fstype))
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                "storage driver '%s' has no file system type '%.32s'", storage->driver,
                storage->fstype);
    return false;
}

static bool
add_virtiofs(CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    static const char *const allowed[] = { "virtiofs", NULL };

    return check_fstype(storage, allowed, error) && mount_storage(storages, storage, error);
}

static bool
add_ephemeral(CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    static const char *const allowed[] = { "tmpfs", "hugetlbfs", NULL };

    return check_fstype(storage, allowed, error) && mount_storage(storages, storage, error) &&
           set_owner(storages->base, storage, error);
}

static bool
add_local(CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    g_auto(CocoFd) directory =
        coco_paths_make_directory(storages->base, storage->mount_point, 0755, error);

    return directory >= 0 && set_owner(storages->base, storage, error);
}

/* The directories of an overlay come from the host as paths; each must be inside. */
static bool
check_overlay_options(const CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    static const char *const keys[] = { "lowerdir=", "upperdir=", "workdir=" };

    for (size_t i = 0; i < storage->n_options; i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(keys); j++) {
            g_auto(GStrv) paths = NULL;

            if (!g_str_has_prefix(storage->options[i], keys[j]))
                continue;
            paths = g_strsplit(storage->options[i] + strlen(keys[j]), ":", -1);
            for (size_t k = 0; paths[k] != NULL; k++) {
                g_auto(CocoFd) fd =
                    coco_paths_open(storages->base, paths[k], O_PATH | O_DIRECTORY, 0, error);

                if (fd < 0)
                    return false;
            }
        }
    }
    return true;
}

static bool
add_overlay(CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    static const char *const allowed[] = { "overlay", NULL };

    if (!check_fstype(storage, allowed, error))
        return false;
    for (size_t i = 0; i < storage->n_driver_options; i++) {
        const char *option = storage->driver_options[i];
        g_auto(CocoFd) made = -1;

        if (!g_str_has_prefix(option, OVERLAY_CREATE_OPTION))
            continue;
        made = coco_paths_make_directory(storages->base, option + strlen(OVERLAY_CREATE_OPTION),
                                         0755, error);
        if (made < 0)
            return false;
    }
    return check_overlay_options(storages, storage, error) &&
           mount_storage(storages, storage, error);
}

/* clang-format off */
static const struct {
    const char *name;
    MountFunc add;
} drivers[] = {
    { "virtio-fs", add_virtiofs },
    { "ephemeral", add_ephemeral },
    { "local", add_local },
    { "overlayfs", add_overlay },
    { "blk", coco_storages_add_disk },
};
/* clang-format on */

const char *const *
coco_storage_drivers(void)
{
    static const char *const names[] = { "virtio-fs", "ephemeral",         "local", "overlayfs",
                                         "blk",       "erofs.multi-layer", NULL };

    /* The last one comes in groups: coco_storage_is_layer(). */
    G_STATIC_ASSERT(G_N_ELEMENTS(names) == G_N_ELEMENTS(drivers) + 2);
    return names;
}

CocoStorages *
coco_storages_new(const char *base)
{
    CocoStorages *storages = g_new0(CocoStorages, 1);

    storages->base = g_strdup(base);
    storages->mounted = g_ptr_array_new_with_free_func(storage_mount_free);
    return storages;
}

static void
unmount_to(CocoStorages *storages, guint count)
{
    while (storages->mounted->len > count) {
        const CocoStorageMount *mounted =
            g_ptr_array_index(storages->mounted, storages->mounted->len - 1);

        if (mounted->is_disk)
            coco_storage_settle_disk(mounted->path);
        (void) umount2(mounted->path, MNT_DETACH | UMOUNT_NOFOLLOW);
        if (mounted->is_disk)
            (void) rmdir(mounted->path);
        g_ptr_array_remove_index(storages->mounted, storages->mounted->len - 1);
    }
}

void
coco_storages_free(CocoStorages *storages)
{
    if (storages == NULL)
        return;
    unmount_to(storages, 0);
    g_ptr_array_unref(storages->mounted);
    g_free(storages->base);
    g_free(storages);
}

static bool
add_one(CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (strcmp(storage->driver, drivers[i].name) == 0)
            return drivers[i].add(storages, storage, error);
    }
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNIMPLEMENTED,
                "storage driver '%.64s' is not supported by this agent", storage->driver);
    return false;
}

bool
coco_storages_add(CocoStorages *storages, Grpc__Storage *const *list, size_t count, GError **error)
{
    guint before = storages->mounted->len;
    bool has_layers = false;

    if (count > COCO_STORAGES_MAX || before + count > COCO_STORAGES_MAX) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED, "more than %d storages",
                    COCO_STORAGES_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_layer = coco_storage_is_layer(list[i]);

        has_layers = has_layers || is_layer;
        if (!is_layer && !add_one(storages, list[i], error)) {
            g_prefix_error(error, "storage %zu: ", i);
            unmount_to(storages, before);
            return false;
        }
    }
    if (has_layers && !coco_storages_add_layers(storages, list, count, error)) {
        unmount_to(storages, before);
        return false;
    }
    return true;
}

bool
coco_storages_remount(CocoStorages *storages, Grpc__Storage *const *list, size_t count,
                      GError **error)
{
    for (size_t i = 0; i < count; i++) {
        g_auto(CocoFd) target =
            coco_paths_open(storages->base, list[i]->mount_point, O_PATH | O_DIRECTORY, 0, error);

        if (target < 0)
            return false;
        if (strcmp(list[i]->fstype, "tmpfs") != 0 || !is_mounted(target)) {
            g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                        "'%s' is not a mounted tmpfs", list[i]->mount_point);
            return false;
        }
        if (!mount_on(target, list[i], list[i]->source, MS_REMOUNT, error))
            return false;
    }
    return true;
}

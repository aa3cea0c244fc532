// SPDX-License-Identifier: Apache-2.0
/*
 * Drivers as a table, and the sets of storages of sandbox and containers. Mounting goes through a
 * descriptor of the mount point (/proc/self/fd/N), which was opened beneath the base directory, so
 * nothing can be swapped between check and mount.
 *
 * Source: Kata src/agent/src/storage/.
 */
#include <errno.h>
#include <fcntl.h>
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

bool
coco_storage_mount(CocoStoragePlace *place, const Grpc__Storage *storage, const char *source,
                   const char *path, unsigned long flags, const char *data, GError **error)
{
    g_auto(CocoFd) target = coco_storage_open_free(place, path, error);
    g_autofree char *target_path = g_strdup_printf("/proc/self/fd/%d", target);

    if (target < 0)
        return false;
    if (mount(source, target_path, storage->fstype, flags, data) < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "mount %s '%s' on '%s': %s",
                                 storage->fstype, source, storage->mount_point, g_strerror(errno));
    return coco_storage_place_add(place, path, g_str_has_prefix(source, "/dev/"), error);
}

static bool
check_fstype(const Grpc__Storage *storage, const char *const *allowed, GError **error)
{
    if (g_strv_contains(allowed, storage->fstype))
        return true;
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                             "storage driver '%s' has no file system type '%.32s'", storage->driver,
                             storage->fstype);
}

/* ---- owner ---- */

static bool
parse_number(const Grpc__Storage *storage, const char *key, unsigned int base, guint64 *out_number,
             GError **error)
{
    for (size_t i = 0; i < storage->n_options; i++) {
        const char *option = storage->options[i];

        if (g_str_has_prefix(option, key) &&
            !g_ascii_string_to_unsigned(option + strlen(key), base, 0,
                                        base == 8 ? 07777 : G_MAXUINT32 - 1, out_number, NULL))
            return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                                     "storage '%.300s': option '%s' has no number",
                                     storage->mount_point, key);
    }
    return true;
}

static bool
set_owner(const CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    guint64 group = G_MAXUINT32;
    guint64 mode = 0;
    g_auto(CocoFd) fd = -1;
    g_autofree char *path = NULL;

    if (!parse_number(storage, "fsgid=", 10, &group, error) ||
        !parse_number(storage, "mode=", 8, &mode, error))
        return false;
    if (storage->fs_group != NULL)
        group = storage->fs_group->group_id;
    if (group != G_MAXUINT32)
        mode = (mode != 0 ? mode : 0775) | S_ISGID;
    if (mode == 0)
        return true;
    fd = coco_paths_open_place(place->table->base, place->path, error);
    if (fd < 0)
        return false;
    path = g_strdup_printf("/proc/self/fd/%d", fd);
    if ((group != G_MAXUINT32 && chown(path, (uid_t) -1, (gid_t) group) < 0) ||
        chmod(path, (mode_t) mode) < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "set owner of '%s': %s",
                                 storage->mount_point, g_strerror(errno));
    return true;
}

/* ---- drivers ---- */

static bool
add_virtiofs(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    static const char *const allowed[] = { "virtiofs", NULL };
    g_autofree char *data = NULL;
    unsigned long flags;

    return check_fstype(storage, allowed, error) &&
           coco_storage_parse_options(storage, &flags, &data, error) &&
           coco_storage_mount(place, storage, storage->source, place->path, flags, data, error);
}

static bool
add_ephemeral(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    static const char *const allowed[] = { "tmpfs", "hugetlbfs", NULL };
    g_autofree char *data = NULL;

    place->is_tmpfs = strcmp(storage->fstype, "tmpfs") == 0;
    return check_fstype(storage, allowed, error) &&
           coco_storage_parse_options(storage, &place->flags, &data, error) &&
           coco_storage_mount(place, storage, storage->source, place->path, place->flags, data,
                              error) &&
           set_owner(place, storage, error);
}

static bool
add_local(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    g_autofree char *data = NULL;
    g_auto(CocoFd) directory = -1;
    unsigned long flags;

    if (!coco_storage_parse_options(storage, &flags, &data, error))
        return false;
    directory = coco_paths_make_place(place->table->base, place->path, 0755, error);
    return directory >= 0 && set_owner(place, storage, error);
}

/* Opens what the host names as a directory of the overlay, and appends it as the descriptor: what
 * was checked is what is mounted. A name with the overlay's own punctuation is no name. */
static bool
add_overlay_directory(const CocoStoragePlace *place, const char *name, GArray *fds, GString *data,
                      GError **error)
{
    g_autofree char *path = coco_storage_path(place->table, name, error);
    int fd;

    if (path == NULL)
        return false;
    if (strpbrk(path, "\\,") != NULL)
        return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                                 "overlay: directory '%.300s' has a comma or a backslash", path);
    fd = coco_paths_open_place(place->table->base, path, error);
    if (fd < 0)
        return false;
    g_array_append_val(fds, fd);
    g_string_append_printf(data, "/proc/self/fd/%d", fd);
    return true;
}

static bool
add_overlay_option(const CocoStoragePlace *place, const char *option, GArray *fds, GString *data,
                   GError **error)
{
    static const char *const keys[] = { "lowerdir=", "upperdir=", "workdir=" };

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_auto(GStrv) names = NULL;

        if (!g_str_has_prefix(option, keys[i]))
            continue;
        names = g_strsplit(option + strlen(keys[i]), ":", i == 0 ? -1 : 1);
        g_string_append_printf(data, "%s%s", data->len > 0 ? "," : "", keys[i]);
        for (size_t j = 0; names[j] != NULL; j++) {
            if (j > 0)
                g_string_append_c(data, ':');
            if (!add_overlay_directory(place, names[j], fds, data, error))
                return false;
        }
    }
    return true;
}

static void
close_all(GArray *fds)
{
    for (unsigned int i = 0; i < fds->len; i++)
        coco_fd_clear(&g_array_index(fds, int, i));
}

static bool
mount_overlay(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GString) data = g_string_new(NULL);
    g_autofree char *plain = NULL;
    unsigned long flags;
    bool good = coco_storage_parse_options(storage, &flags, &plain, error);

    g_string_append(data, good ? plain : "");
    for (size_t i = 0; good && i < storage->n_options; i++)
        good = add_overlay_option(place, storage->options[i], fds, data, error);
    good =
        good && coco_storage_mount(place, storage, "overlay", place->path, flags, data->str, error);
    close_all(fds);
    return good;
}

static bool
add_overlay(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    static const char *const allowed[] = { "overlay", NULL };

    if (!check_fstype(storage, allowed, error))
        return false;
    for (size_t i = 0; i < storage->n_driver_options; i++) {
        const char *name = storage->driver_options[i] + strlen(OVERLAY_CREATE_OPTION);
        g_autofree char *path = coco_storage_path(place->table, name, error);
        g_auto(CocoFd) made = -1;

        if (path == NULL)
            return false;
        made = coco_paths_make_place(place->table->base, path, 0755, error);
        if (made < 0)
            return false;
    }
    return mount_overlay(place, storage, error);
}

typedef bool (*AddFunc)(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error);

typedef struct {
    const char *name;
    AddFunc add;
    const char *driver_option; /* the one prefix it knows */
    bool sets_owner;           /* knows fs_group */
    bool is_pods;              /* stays when the containers that use it have gone: an emptyDir */
} Driver;

/* clang-format off */
static const Driver drivers[] = {
    { "virtio-fs", add_virtiofs, NULL, false, false },
    { "ephemeral", add_ephemeral, NULL, true, true },
    { "local", add_local, NULL, true, true },
    { "overlayfs", add_overlay, OVERLAY_CREATE_OPTION, false, false },
    { "blk", coco_storage_add_disk, NULL, false, false },
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

static bool
refuse(const Grpc__Storage *storage, const char *what, const char *value, GError **error)
{
    g_autofree char *shown = g_strescape(value, NULL);

    return coco_ttrpc_failed(error, COCO_TTRPC_UNIMPLEMENTED,
                             "storage driver '%.64s': %s '%.100s' is not supported by this agent",
                             storage->driver, what, shown);
}

/* What a storage may ask for besides its options; what is not done is refused. driver: nullable, of
 * a layer. */
static bool
check_extras(const Grpc__Storage *storage, const Driver *driver, GError **error)
{
    const char *known = driver != NULL ? driver->driver_option : NULL;

    for (size_t i = 0; i < storage->n_driver_options; i++) {
        if (known == NULL || !g_str_has_prefix(storage->driver_options[i], known))
            return refuse(storage, "driver option", storage->driver_options[i], error);
    }
    if (storage->fs_group != NULL && (driver == NULL || !driver->sets_owner))
        return refuse(storage, "field", "fs_group", error);
    return true;
}

/* ---- sets ---- */

CocoStorages *
coco_storages_new(CocoStorageTable *table)
{
    CocoStorages *storages = g_new0(CocoStorages, 1);

    storages->table = table;
    storages->places = g_ptr_array_new();
    return storages;
}

static void
unuse_to(CocoStorages *storages, unsigned int count)
{
    while (storages->places->len > count) {
        CocoStoragePlace *place =
            g_ptr_array_steal_index(storages->places, storages->places->len - 1);

        if (coco_storage_place_unuse(place))
            coco_storage_place_free(place);
    }
}

void
coco_storages_free(CocoStorages *storages)
{
    if (storages == NULL)
        return;
    unuse_to(storages, 0);
    g_ptr_array_unref(storages->places);
    g_free(storages);
}

void
coco_storages_use(CocoStorages *storages, CocoStoragePlace *place)
{
    coco_storage_place_use(place);
    g_ptr_array_add(storages->places, place);
}

/* With lengths, so that two requests never have one identity. */
static void
append_text(GString *identity, const char *text)
{
    g_string_append_printf(identity, "%zu:%s", strlen(text), text);
}

static void
append_identity(GString *identity, const Grpc__Storage *storage)
{
    append_text(identity, storage->driver);
    append_text(identity, storage->source);
    append_text(identity, storage->fstype);
    g_string_append_printf(identity, "%zu;", storage->n_options);
    for (size_t i = 0; i < storage->n_options; i++)
        append_text(identity, storage->options[i]);
    g_string_append_printf(identity, "%zu;", storage->n_driver_options);
    for (size_t i = 0; i < storage->n_driver_options; i++)
        append_text(identity, storage->driver_options[i]);
    if (storage->fs_group != NULL)
        g_string_append_printf(identity, "g%u", storage->fs_group->group_id);
}

static const Driver *
find_driver(const Grpc__Storage *storage, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (strcmp(storage->driver, drivers[i].name) == 0)
            return &drivers[i];
    }
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNIMPLEMENTED,
                "storage driver '%.64s' is not supported by this agent", storage->driver);
    return NULL;
}

static bool
add_one(CocoStorages *storages, const Grpc__Storage *storage, GError **error)
{
    const Driver *driver = find_driver(storage, error);
    g_autofree char *path =
        driver != NULL ? coco_storage_path(storages->table, storage->mount_point, error) : NULL;
    g_autoptr(GString) identity = g_string_new(NULL);
    g_autoptr(GError) taken = NULL;
    CocoStoragePlace *place;

    if (path == NULL || !check_extras(storage, driver, error))
        return false;
    append_identity(identity, storage);
    place = coco_storage_find(storages->table, path, identity->str, &taken);
    if (taken != NULL) {
        g_propagate_error(error, g_steal_pointer(&taken));
        return false;
    }
    if (place == NULL) {
        place = coco_storage_place_new(storages->table, path, identity->str);
        if (!driver->add(place, storage, error)) {
            coco_storage_place_free(place);
            return false;
        }
        place->is_pods = driver->is_pods || storage->shared;
        coco_storage_place_keep(place);
    }
    coco_storages_use(storages, place);
    return true;
}

static bool
add_layers(CocoStorages *storages, Grpc__Storage *const *list, size_t count, GError **error)
{
    const Grpc__Storage *upper = coco_storage_find_upper(list, count, error);
    g_autofree char *path =
        upper != NULL ? coco_storage_path(storages->table, upper->mount_point, error) : NULL;
    g_autoptr(GString) identity = g_string_new(NULL);
    g_autoptr(GError) taken = NULL;
    CocoStoragePlace *place;

    if (path == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (coco_storage_is_layer(list[i]) && !check_extras(list[i], NULL, error))
            return false;
        if (coco_storage_is_layer(list[i]))
            append_identity(identity, list[i]);
    }
    place = coco_storage_find(storages->table, path, identity->str, &taken);
    if (taken != NULL) {
        g_propagate_error(error, g_steal_pointer(&taken));
        return false;
    }
    if (place == NULL) {
        place = coco_storage_place_new(storages->table, path, identity->str);
        if (!coco_storage_add_layers(place, list, count, error)) {
            coco_storage_place_free(place);
            return false;
        }
        coco_storage_place_keep(place);
    }
    coco_storages_use(storages, place);
    return true;
}

static bool
add_all(CocoStorages *storages, Grpc__Storage *const *list, size_t count, GError **error)
{
    bool has_layers = false;

    for (size_t i = 0; i < count; i++) {
        bool is_layer = coco_storage_is_layer(list[i]);

        has_layers = has_layers || is_layer;
        if (!is_layer && !add_one(storages, list[i], error)) {
            g_prefix_error(error, "storage %zu: ", i);
            return false;
        }
    }
    return !has_layers || add_layers(storages, list, count, error);
}

bool
coco_storages_add(CocoStorages *storages, Grpc__Storage *const *list, size_t count, GError **error)
{
    unsigned int before = storages->places->len;

    if (count > COCO_STORAGES_MAX || before + count > COCO_STORAGES_MAX)
        return coco_ttrpc_failed(error, COCO_TTRPC_RESOURCE_EXHAUSTED, "more than %d storages",
                                 COCO_STORAGES_MAX);
    if (!add_all(storages, list, count, error)) {
        unuse_to(storages, before);
        return false;
    }
    for (unsigned int i = before; i < storages->places->len; i++)
        coco_storage_place_complete(storages->places->pdata[i]);
    return true;
}

/* ---- new options ---- */

static bool
remount(const CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    g_autofree char *data = NULL;
    g_auto(CocoFd) target = coco_storage_place_open(place, error);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", target);

    if (target < 0 || !coco_storage_parse_remount(storage, place->flags, &data, error))
        return false;
    if (mount("tmpfs", path, "tmpfs", MS_REMOUNT | place->flags, data) == 0)
        return true;
    return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "remount '%s': %s", storage->mount_point,
                             g_strerror(errno));
}

static bool
remount_one(const CocoStorageTable *table, const Grpc__Storage *storage, GError **error)
{
    g_autofree char *path = NULL;

    if (storage->n_driver_options > 0)
        return refuse(storage, "driver option of a remount", storage->driver_options[0], error);
    if (storage->fs_group != NULL)
        return refuse(storage, "field of a remount", "fs_group", error);
    path = coco_storage_path(table, storage->mount_point, error);
    if (path == NULL)
        return false;
    for (unsigned int i = 0; i < table->places->len; i++) {
        const CocoStoragePlace *place = table->places->pdata[i];

        if (strcmp(place->path, path) == 0 && place->is_tmpfs &&
            strcmp(storage->fstype, "tmpfs") == 0)
            return remount(place, storage, error);
    }
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "'%s' is not a mounted tmpfs",
                             storage->mount_point);
}

bool
coco_storage_table_remount(const CocoStorageTable *table, Grpc__Storage *const *list, size_t count,
                           GError **error)
{
    for (size_t i = 0; i < count; i++) {
        if (!remount_one(table, list[i], error))
            return false;
    }
    return true;
}

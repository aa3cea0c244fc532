// SPDX-License-Identifier: Apache-2.0
/*
 * Storages on disks of the host: a file system alone (driver "blk"), or erofs layers and one ext4
 * to write to that become an overlay.
 *
 * Layers are mounted beside the mount point, in MOUNT_POINT.layers/{upper,0,1,…}. The overlay is
 * mounted with names relative to that directory: a page of options has no room for 127 long paths.
 *
 * Source: Kata src/agent/src/storage/{block_handler,multi_layer_erofs}.rs. Partitions (GPT) and
 * dm-verity of the latter are not here yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/storage/block-device.h"
#include "guest/storage/storage-private.h"
#include "guest/system/modules.h"
#include "guest/system/paths.h"

#define LAYER_DRIVER "erofs.multi-layer"
#define LAYER_OPTION "X-kata.multi-layer=true"
#define UPPER_OPTION "X-kata.overlay-upper"
#define LAYERS_MAX 128

static bool
has_option(const Grpc__Storage *storage, const char *option)
{
    for (size_t i = 0; i < storage->n_options; i++) {
        if (strcmp(storage->options[i], option) == 0)
            return true;
    }
    return false;
}

/* Mounts the storage's disk; its file system's modules are loaded when they are first wanted, for
 * most guests have no disk and all of them would pay for it at boot. */
static bool
mount_disk(CocoStoragePlace *place, const Grpc__Storage *storage, const char *path, GError **error)
{
    static const char *const allowed[] = { "ext4", "ext3", "ext2", "erofs", NULL };
    g_autofree char *device = NULL;
    g_autofree char *list = NULL;
    g_autofree char *data = NULL;
    unsigned long flags;

    if (!g_strv_contains(allowed, storage->fstype))
        return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                                 "disk '%.100s': the guest image has no file system '%.32s'",
                                 storage->source, storage->fstype);
    if (!coco_storage_parse_options(storage, &flags, &data, error))
        return false;
    device = coco_block_device_find("/sys", storage->source, error);
    if (device == NULL)
        return false;
    list = g_strdup_printf("/lib/modules/%s.list",
                           strcmp(storage->fstype, "erofs") == 0 ? "erofs" : "ext4");
    coco_modules_load_list(list);
    return coco_storage_mount(place, storage, device, path, flags, data, error);
}

bool
coco_storage_add_disk(CocoStoragePlace *place, const Grpc__Storage *storage, GError **error)
{
    return mount_disk(place, storage, place->path, error);
}

bool
coco_storage_is_layer(const Grpc__Storage *storage)
{
    return strcmp(storage->driver, LAYER_DRIVER) == 0 || has_option(storage, LAYER_OPTION);
}

static bool
refuse(const char *cause, GError **error)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "layers: %s", cause);
}

static bool
is_upper(const Grpc__Storage *storage)
{
    return has_option(storage, UPPER_OPTION) || strcmp(storage->fstype, "ext4") == 0;
}

static bool
check_layer(const Grpc__Storage *storage, GError **error)
{
    static const char *const foreign[] = { "X-kata.gpt-partitioned=", "X-kata.partition-number=",
                                           "X-kata.dmverity" };

    for (size_t i = 0; i < storage->n_options; i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(foreign); j++) {
            if (g_str_has_prefix(storage->options[i], foreign[j]))
                return refuse("partitions and dm-verity are not supported by this agent", error);
        }
    }
    if (strcmp(storage->fstype, is_upper(storage) ? "ext4" : "erofs") != 0)
        return refuse("one has another file system than ext4 above and erofs below", error);
    return true;
}

const Grpc__Storage *
coco_storage_find_upper(Grpc__Storage *const *list, size_t count, GError **error)
{
    const Grpc__Storage *upper = NULL;
    size_t n_lower = 0;

    for (size_t i = 0; i < count; i++) {
        if (!coco_storage_is_layer(list[i]))
            continue;
        if (!check_layer(list[i], error))
            return NULL;
        if (is_upper(list[i]) && upper != NULL) {
            (void) refuse("two of them are to be written to", error);
            return NULL;
        }
        if (is_upper(list[i]))
            upper = list[i];
        else
            n_lower++;
    }
    if (upper != NULL && n_lower > 0 && n_lower <= LAYERS_MAX)
        return upper;
    (void) refuse(n_lower > LAYERS_MAX ? "too many"
                                       : "one ext4 to write to and one erofs below it are needed",
                  error);
    return NULL;
}

typedef struct {
    char *directory; /* of the layers */
    char *upper;
    GString *lower; /* names in the directory, the top one first */
    size_t n_lower;
} Layers;

static void
layers_clear(Layers *layers)
{
    g_free(layers->directory);
    g_free(layers->upper);
    (void) g_string_free(layers->lower, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Layers, layers_clear)

static bool
add_layer(CocoStoragePlace *place, const Grpc__Storage *storage, Layers *layers, GError **error)
{
    g_autofree char *name =
        is_upper(storage) ? g_strdup("upper") : g_strdup_printf("%zu", layers->n_lower);
    g_autofree char *where = g_build_filename(layers->directory, name, NULL);

    if (!mount_disk(place, storage, where, error))
        return false;
    if (is_upper(storage))
        layers->upper = g_steal_pointer(&where);
    else
        g_string_append_printf(layers->lower, "%s%s", layers->n_lower++ > 0 ? ":" : "", name);
    return true;
}

/* The two directories of the overlay on the disk to write to; it may have been used before. */
static bool
make_upper(const CocoStoragePlace *place, const Layers *layers, GError **error)
{
    static const char *const names[] = { "upper", "work" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(layers->upper, names[i], NULL);
        g_auto(CocoFd) fd = coco_paths_make_place(place->table->base, path, 0755, error);

        if (fd < 0)
            return false;
    }
    return true;
}

static bool
mount_overlay(CocoStoragePlace *place, const Layers *layers, GError **error)
{
    g_autofree char *options =
        g_strdup_printf("lowerdir=%s,upperdir=upper/upper,workdir=upper/work", layers->lower->str);
    g_auto(CocoFd) target = coco_storage_open_free(place, place->path, error);
    g_auto(CocoFd) directory = -1;
    g_autofree char *target_path = g_strdup_printf("/proc/self/fd/%d", target);
    int failure = 0;

    if (target < 0)
        return false;
    directory = coco_paths_open_place(place->table->base, layers->directory, error);
    if (directory < 0)
        return false;
    if (fchdir(directory) < 0 || mount("overlay", target_path, "overlay", 0, options) < 0)
        failure = errno;
    (void) !chdir("/");
    if (failure != 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL,
                                 "mount overlay of %zu layers on '%s': %s", layers->n_lower,
                                 place->path, g_strerror(failure));
    return coco_storage_place_add(place, place->path, false, error);
}

bool
coco_storage_add_layers(CocoStoragePlace *place, Grpc__Storage *const *list, size_t count,
                        GError **error)
{
    g_auto(Layers) layers = { .lower = g_string_new(NULL),
                              .directory = g_strconcat(place->path, COCO_STORAGE_LAYERS, NULL) };

    for (size_t i = 0; i < count; i++) {
        if (coco_storage_is_layer(list[i]) && !add_layer(place, list[i], &layers, error))
            return false;
    }
    return make_upper(place, &layers, error) && mount_overlay(place, &layers, error);
}

/*
 * A container's mount namespace may still hold the file system when it is unmounted here, and the
 * VM is ended right after the container is removed. Read-only, the file system is complete on the
 * disk whoever still has it mounted, and clean: no journal to replay for whoever mounts the
 * snapshot next. Somebody who has a file open for writing prevents that; then all that was written
 * is at least there.
 */
void
coco_storage_flush_disk(int directory, bool alone)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", directory);
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && syncfs(fd) < 0)
        g_message("write a disk: %s", g_strerror(errno));
    coco_fd_clear(&fd);
    if (alone && mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
        g_message("make a disk read-only: %s", g_strerror(errno));
}

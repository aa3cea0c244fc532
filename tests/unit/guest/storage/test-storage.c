// SPDX-License-Identifier: Apache-2.0
/*
 * Storages that need no right to mount: refusals, the local driver. What is mounted is in
 * test-storage-mounts.c.
 */
#include "guest/storage/storage.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

/* The error's code, or 0. out_message: nullable (transfer full). */
static int
add(const char *base, const char *driver, const char *fstype, const char *mount_point,
    const char *option, char **out_message)
{
    g_autoptr(CocoStorageTable) table = coco_storage_table_new(base, NULL);
    g_autoptr(CocoStorages) storages = coco_storages_new(table);
    g_autoptr(GError) error = NULL;
    char *options[] = { (char *) option };
    Grpc__Storage storage;
    Grpc__Storage *list[] = { &storage };

    grpc__storage__init(&storage);
    storage.driver = (char *) driver;
    storage.fstype = (char *) fstype;
    storage.source = (char *) "1f.7";
    storage.mount_point = (char *) mount_point;
    storage.options = options;
    storage.n_options = option != NULL ? 1 : 0;
    if (coco_storages_add(storages, list, 1, &error))
        return 0;
    if (out_message != NULL)
        *out_message = g_strdup(error->message);
    return error->code;
}

Test(storage, refusals)
{
    static const struct {
        const char *driver;
        const char *fstype;
        const char *mount_point; /* below the base, or elsewhere */
        int code;
    } rows[] = {
        { "nvdimm", "ext4", "x", COCO_TTRPC_UNIMPLEMENTED },
        { "blk", "proc", "x", COCO_TTRPC_INVALID_ARGUMENT },
        { "blk", "ext4", "x", COCO_TTRPC_NOT_FOUND },
        { "erofs.multi-layer", "erofs", "x", COCO_TTRPC_INVALID_ARGUMENT },
        { "ephemeral", "proc", "x", COCO_TTRPC_INVALID_ARGUMENT },
        { "virtio-fs", "tmpfs", "x", COCO_TTRPC_INVALID_ARGUMENT },
        { "ephemeral", "tmpfs", "/etc", COCO_TTRPC_INVALID_ARGUMENT },
        { "local", "local", "/proc/x", COCO_TTRPC_INVALID_ARGUMENT },
    };
    g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *inside = g_build_filename(base, rows[i].mount_point, NULL);
        const char *where = rows[i].mount_point[0] == '/' ? rows[i].mount_point : inside;

        cr_assert_eq(add(base, rows[i].driver, rows[i].fstype, where, NULL, NULL), rows[i].code,
                     "row %zu", i);
    }
    coco_directory_tree_remove(base);
}

/* The agent's own directories, in any spelling, and what a link of the host leads to. */
Test(storage, nothing_is_mounted_on_the_agents_places)
{
    static const char *const places[] = { "",        "/",      "/.", "/sandbox", "//sandbox/./",
                                          "/shared", "/link/x" };
    g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
    g_autofree char *link = g_build_filename(base, "link", NULL);

    cr_assert_eq(symlink("sandbox", link), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_strconcat(base, places[i], NULL);

        cr_assert_eq(add(base, "local", "local", path, NULL, NULL), COCO_TTRPC_INVALID_ARGUMENT,
                     "%s", places[i]);
    }
    coco_directory_tree_remove(base);
}

/* mount(2) would bind, move or spread what the host names, whatever the file system's type says. */
Test(storage, options_are_of_a_list)
{
    static const struct {
        const char *driver;
        const char *fstype;
        const char *option;
    } rows[] = {
        { "ephemeral", "tmpfs", "bind" },
        { "ephemeral", "tmpfs", "rbind" },
        { "ephemeral", "tmpfs", "move" },
        { "ephemeral", "tmpfs", "remount" },
        { "ephemeral", "tmpfs", "rshared" },
        { "ephemeral", "tmpfs", "size=1m,mpol=bind" },
        { "ephemeral", "tmpfs", "nosuch" },
        { "ephemeral", "tmpfs", "fsgid=x" },
        { "virtio-fs", "virtiofs", "bind" },
        { "local", "local", "bind" },
        { "local", "local", "ro" },
        { "local", "local", "mode=99" },
        { "blk", "erofs", "device=/dev/vda" },
        { "blk", "ext4", "errors=panic" },
        { "overlayfs", "overlay", "lowerdir+=/" },
        { "overlayfs", "overlay", "redirect_dir=on" },
        { "overlayfs", "overlay", "lowerdir=/etc" },
        { "overlayfs", "overlay", "lowerdir=/run/a,upperdir=/etc" },
    };
    g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
    g_autofree char *inside = g_build_filename(base, "x", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        cr_assert_eq(add(base, rows[i].driver, rows[i].fstype, inside, rows[i].option, NULL),
                     COCO_TTRPC_INVALID_ARGUMENT, "%s", rows[i].option);
    }
    coco_directory_tree_remove(base);
}

/* Layers are told by their options; each of these lists lacks something, and nothing is mounted. */
Test(storage, layers_that_make_no_overlay)
{
    static const struct {
        const char *fstype;
        const char *option;
        const char *message;
    } rows[] = {
        { "xfs", "X-kata.overlay-lower", "another file system" },
        { "erofs", "X-kata.overlay-upper", "another file system" },
        { "erofs", "X-kata.gpt-partitioned=true", "partitions and dm-verity" },
        { "erofs", "X-kata.dmverity-enabled=true", "partitions and dm-verity" },
        { "erofs", "X-kata.overlay-lower", "one ext4 to write to" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
        g_autofree char *inside = g_build_filename(base, "x", NULL);
        g_autofree char *message = NULL;

        cr_assert_neq(
            add(base, "erofs.multi-layer", rows[i].fstype, inside, rows[i].option, &message), 0);
        cr_assert_not_null(strstr(message, rows[i].message), "%s", message);
        coco_directory_tree_remove(base);
    }
}

Test(storage, local_is_a_directory_with_its_mode)
{
    g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
    g_autofree char *inside = g_build_filename(base, "a/b", NULL);
    struct stat status;

    cr_assert_eq(add(base, "local", "local", inside, "mode=0777", NULL), 0);
    cr_assert_eq(stat(inside, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0777);
    coco_directory_tree_remove(base);
}

/* Fields that would change what the host thinks it got. */
Test(storage, what_is_not_done_is_refused)
{
    g_autoptr(CocoStorageTable) table = coco_storage_table_new("/proc/nonexistent", NULL);
    g_autoptr(CocoStorages) storages = coco_storages_new(table);
    Grpc__FSGroup group;
    char *driver_options[] = { (char *) "encryption_key=ephemeral" };
    Grpc__Storage storage;
    Grpc__Storage *list[] = { &storage };
    static const char *const drivers[] = { "virtio-fs", "blk", "overlayfs", "local", "ephemeral" };

    grpc__fsgroup__init(&group);
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        g_autoptr(GError) option_error = NULL;
        g_autoptr(GError) group_error = NULL;

        grpc__storage__init(&storage);
        storage.driver = (char *) drivers[i];
        storage.mount_point = (char *) "/proc/nonexistent/x";
        storage.driver_options = driver_options;
        storage.n_driver_options = 1;
        cr_assert_not(coco_storages_add(storages, list, 1, &option_error));
        cr_assert_eq(option_error->code, COCO_TTRPC_UNIMPLEMENTED, "%s", drivers[i]);
        storage.n_driver_options = 0;
        storage.fs_group = &group;
        cr_assert_not(coco_storages_add(storages, list, 1, &group_error));
        cr_assert_eq(group_error->code == COCO_TTRPC_UNIMPLEMENTED, i < 3, "%s", drivers[i]);
    }
}

Test(storage, too_many_are_refused)
{
    g_autoptr(CocoStorageTable) table = coco_storage_table_new("/proc/nonexistent", NULL);
    g_autoptr(CocoStorages) storages = coco_storages_new(table);
    g_autoptr(GError) error = NULL;
    Grpc__Storage storage;
    Grpc__Storage *list[COCO_STORAGES_MAX + 1];

    grpc__storage__init(&storage);
    for (size_t i = 0; i < G_N_ELEMENTS(list); i++)
        list[i] = &storage;
    cr_assert_not(coco_storages_add(storages, list, G_N_ELEMENTS(list), &error));
    cr_assert_eq(error->code, COCO_TTRPC_RESOURCE_EXHAUSTED);
}

Test(storage, the_drivers_are_told)
{
    cr_assert(g_strv_contains(coco_storage_drivers(), "virtio-fs"));
    coco_storages_free(NULL);
    coco_storage_table_free(NULL);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Storages that need no right to mount: options, refusals, the local driver.
 */
#include "guest/storage/storage.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

Test(storage, options_are_split_into_flags_and_data)
{
    char *options[] = { (char *) "noexec",    (char *) "nosuid",
                        (char *) "ro",        (char *) "rw",
                        (char *) "size=5m",   (char *) "io.katacontainers.fs-opt.x",
                        (char *) "mode=1777", (char *) "fsgid=5",
                        (char *) "" };
    g_autofree char *data = NULL;

    cr_assert_eq(coco_storage_parse_options(options, G_N_ELEMENTS(options), &data),
                 MS_NOEXEC | MS_NOSUID);
    cr_assert_str_eq(data, "size=5m,mode=1777");
}

static int
add_code(const char *base, const char *driver, const char *fstype, const char *mount_point)
{
    g_autoptr(CocoStorages) storages = coco_storages_new(base);
    g_autoptr(GError) error = NULL;
    Grpc__Storage storage;
    Grpc__Storage *list[] = { &storage };

    grpc__storage__init(&storage);
    storage.driver = (char *) driver;
    storage.fstype = (char *) fstype;
    storage.mount_point = (char *) mount_point;
    return coco_storages_add(storages, list, 1, &error) ? 0 : error->code;
}

Test(storage, refusals)
{
    g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
    g_autofree char *inside = g_build_filename(base, "x", NULL);

    cr_assert_eq(add_code(base, "nvdimm", "ext4", inside), COCO_TTRPC_UNIMPLEMENTED);
    cr_assert_eq(add_code(base, "blk", "ext4", inside), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(add_code(base, "blk", "proc", inside), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(add_code(base, "erofs.multi-layer", "erofs", inside), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(add_code(base, "ephemeral", "proc", inside), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(add_code(base, "virtio-fs", "tmpfs", inside), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(add_code(base, "ephemeral", "tmpfs", "/etc"), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(add_code(base, "local", "local", "/proc/x"), COCO_TTRPC_INVALID_ARGUMENT);
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
        { "erofs", "X-kata.overlay-lower", "the VM has no disk there" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
        g_autofree char *inside = g_build_filename(base, "x", NULL);
        g_autoptr(CocoStorages) storages = coco_storages_new(base);
        char *options[] = { (char *) "X-kata.multi-layer=true", (char *) rows[i].option };
        g_autoptr(GError) error = NULL;
        Grpc__Storage storage;
        Grpc__Storage *list[] = { &storage };

        grpc__storage__init(&storage);
        storage.driver = (char *) "blk";
        storage.source = (char *) "1f.7";
        storage.fstype = (char *) rows[i].fstype;
        storage.mount_point = inside;
        storage.options = options;
        storage.n_options = G_N_ELEMENTS(options);
        cr_assert_not(coco_storages_add(storages, list, 1, &error));
        cr_assert_not_null(strstr(error->message, rows[i].message), "%s", error->message);
        coco_directory_tree_remove(base);
    }
}

Test(storage, local_is_a_directory_with_its_mode)
{
    g_autofree char *base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
    g_autofree char *inside = g_build_filename(base, "a/b", NULL);
    g_autoptr(CocoStorages) storages = coco_storages_new(base);
    char *options[] = { (char *) "mode=0777" };
    Grpc__Storage storage;
    Grpc__Storage *list[] = { &storage };
    struct stat status;

    grpc__storage__init(&storage);
    storage.driver = (char *) "local";
    storage.mount_point = inside;
    storage.options = options;
    storage.n_options = 1;
    cr_assert(coco_storages_add(storages, list, 1, NULL));
    cr_assert_eq(stat(inside, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0777);
    coco_directory_tree_remove(base);
}

Test(storage, too_many_are_refused)
{
    g_autoptr(CocoStorages) storages = coco_storages_new("/proc/nonexistent");
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
}

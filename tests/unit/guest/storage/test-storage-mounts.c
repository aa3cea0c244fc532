// SPDX-License-Identifier: Apache-2.0
/*
 * Storages that are mounted: who has them, when they go, and what a remount changes. In a mount
 * namespace of the test's own; skipped where that is not allowed.
 */
#include "guest/storage/storage.h"

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

typedef struct {
    char *base;
    CocoStorageTable *table;
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_storage_table_free(rig->table);
    coco_directory_tree_remove(rig->base);
    g_free(rig->base);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static Rig
rig_new(void)
{
    Rig rig = { 0 };

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        cr_skip_test("no mount namespace");
    rig.base = g_dir_make_tmp("coco-storage-XXXXXX", NULL);
    if (mount("none", rig.base, "tmpfs", 0, NULL) < 0)
        cr_skip_test("nothing can be mounted");
    rig.table = coco_storage_table_new(rig.base);
    return rig;
}

/* The error's code, or 0. */
static int
add_shared(const Rig *rig, CocoStorages *storages, const char *path, const char *option,
           bool is_shared)
{
    g_autofree char *full = g_build_filename(rig->base, path, NULL);
    g_autoptr(GError) error = NULL;
    char *options[] = { (char *) option };
    Grpc__Storage storage;
    Grpc__Storage *list[] = { &storage };

    grpc__storage__init(&storage);
    storage.driver = (char *) (is_shared ? "overlayfs" : "ephemeral");
    storage.source = (char *) "tmpfs";
    storage.fstype = (char *) (is_shared ? "overlay" : "tmpfs");
    storage.mount_point = full;
    storage.options = options;
    storage.n_options = 1;
    return coco_storages_add(storages, list, 1, &error) ? 0 : error->code;
}

static int
add(const Rig *rig, CocoStorages *storages, const char *path, const char *option)
{
    return add_shared(rig, storages, path, option, false);
}

static bool
exists(const Rig *rig, const char *path)
{
    g_autofree char *full = g_build_filename(rig->base, path, NULL);

    return g_file_test(full, G_FILE_TEST_EXISTS);
}

static void
touch(const Rig *rig, const char *path)
{
    g_autofree char *full = g_build_filename(rig->base, path, NULL);

    cr_assert(g_file_set_contents(full, "x", 1, NULL));
}

Test(storage_mounts, an_empty_dir_outlives_its_containers)
{
    g_auto(Rig) rig = rig_new();
    CocoStorages *first = coco_storages_new(rig.table);
    CocoStorages *second = coco_storages_new(rig.table);

    cr_assert_eq(add(&rig, first, "d/e", "size=1m"), 0);
    touch(&rig, "d/e/file");
    cr_assert_eq(add(&rig, second, "d//e/", "size=1m"), 0);
    coco_storages_free(first);
    cr_assert(exists(&rig, "d/e/file"));
    coco_storages_free(second);
    second = coco_storages_new(rig.table);
    cr_assert_eq(add(&rig, second, "d/e", "size=1m"), 0);
    cr_assert(exists(&rig, "d/e/file"));
    coco_storages_free(second);
}

Test(storage_mounts, another_storage_at_the_same_place_is_refused)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(CocoStorages) storages = coco_storages_new(rig.table);

    cr_assert_eq(add(&rig, storages, "d/e", "size=1m"), 0);
    cr_assert_eq(add(&rig, storages, "d/e", "size=2m"), COCO_TTRPC_ALREADY_EXISTS);
    cr_assert_eq(add(&rig, storages, "d", "size=1m"), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(add(&rig, storages, "d/e/f", "size=1m"), 0);
}

Test(storage_mounts, what_somebody_else_mounted_is_left_alone)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(CocoStorages) storages = coco_storages_new(rig.table);
    g_autofree char *foreign = g_build_filename(rig.base, "foreign", NULL);

    cr_assert_eq(g_mkdir_with_parents(foreign, 0755), 0);
    cr_assert_eq(mount("none", foreign, "tmpfs", 0, NULL), 0);
    cr_assert_eq(add(&rig, storages, "foreign", "size=1m"), COCO_TTRPC_ALREADY_EXISTS);
    cr_assert_eq(umount2(foreign, MNT_DETACH), 0);
}

Test(storage_mounts, the_last_container_takes_its_own_away)
{
    g_auto(Rig) rig = rig_new();
    CocoStorages *first = coco_storages_new(rig.table);
    CocoStorages *second = coco_storages_new(rig.table);
    g_autofree char *lower = g_build_filename(rig.base, "l/1", NULL);
    g_autofree char *other = g_build_filename(rig.base, "l/2", NULL);
    g_autofree char *option = g_strdup_printf("lowerdir=%s:%s", lower, other);
    bool can_overlay;

    cr_assert_eq(g_mkdir_with_parents(lower, 0755), 0);
    cr_assert_eq(g_mkdir_with_parents(other, 0755), 0);
    touch(&rig, "l/1/file");
    can_overlay = add_shared(&rig, first, "ctr/root", option, true) == 0;
    if (can_overlay) {
        cr_assert_eq(add_shared(&rig, second, "ctr/root", option, true), 0);
        coco_storages_free(g_steal_pointer(&first));
        cr_assert(exists(&rig, "ctr/root/file"));
        coco_storages_free(g_steal_pointer(&second));
        cr_assert_not(exists(&rig, "ctr"));
    }
    coco_storages_free(first);
    coco_storages_free(second);
    if (!can_overlay)
        cr_skip_test("no overlay");
}

/* What one request had mounted goes when another storage of it fails, an emptyDir too. */
Test(storage_mounts, a_failed_request_leaves_nothing)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(CocoStorages) storages = coco_storages_new(rig.table);
    g_autofree char *path = g_build_filename(rig.base, "d/e", NULL);
    g_autoptr(GError) error = NULL;
    Grpc__Storage good;
    Grpc__Storage bad;
    Grpc__Storage *list[] = { &good, &bad };

    grpc__storage__init(&good);
    good.driver = (char *) "ephemeral";
    good.source = (char *) "tmpfs";
    good.fstype = (char *) "tmpfs";
    good.mount_point = path;
    bad = good;
    bad.fstype = (char *) "proc";
    cr_assert_not(coco_storages_add(storages, list, 2, &error));
    cr_assert_not(exists(&rig, "d/e"));
    cr_assert_eq(add(&rig, storages, "d/e", "size=1m"), 0);
}

static int
remount(const Rig *rig, const char *path, const char *one, const char *two)
{
    g_autofree char *full = g_build_filename(rig->base, path, NULL);
    g_autoptr(GError) error = NULL;
    char *options[] = { (char *) one, (char *) two };
    Grpc__Storage storage;
    Grpc__Storage *list[] = { &storage };

    grpc__storage__init(&storage);
    storage.fstype = (char *) "tmpfs";
    storage.mount_point = full;
    storage.options = options;
    storage.n_options = 2;
    return coco_storage_table_remount(rig->table, list, 1, &error) ? 0 : error->code;
}

Test(storage_mounts, a_remount_changes_the_size_alone)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(CocoStorages) storages = coco_storages_new(rig.table);
    g_autofree char *full = g_build_filename(rig.base, "d", NULL);
    g_autofree char *foreign = g_build_filename(rig.base, "foreign", NULL);
    struct statvfs status;

    cr_assert_eq(add(&rig, storages, "d", "noexec"), 0);
    cr_assert_eq(remount(&rig, "d", "remount", "size=2m"), 0);
    cr_assert_eq(statvfs(full, &status), 0);
    cr_assert_eq(status.f_blocks * status.f_frsize, 2 << 20);
    cr_assert_eq(status.f_flag & ST_NOEXEC, ST_NOEXEC);
    cr_assert_eq(remount(&rig, "d", "ro", "size=2m"), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(remount(&rig, "d", "bind", "size=2m"), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(remount(&rig, "", "remount", "size=2m"), COCO_TTRPC_INVALID_ARGUMENT);
    /* Mounted, but by nobody's request. */
    cr_assert_eq(g_mkdir_with_parents(foreign, 0755), 0);
    cr_assert_eq(mount("none", foreign, "tmpfs", 0, NULL), 0);
    cr_assert_eq(remount(&rig, "foreign", "remount", "size=2m"), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(umount2(foreign, MNT_DETACH), 0);
}

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

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"
#include "tests/unit/guest/mute-mount.h"

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
    rig.table = coco_storage_table_new(rig.base, NULL);
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

Test(storage_mounts, a_remount_that_asks_for_more_is_refused)
{
    g_auto(Rig) rig = rig_new();
    g_autoptr(CocoStorages) storages = coco_storages_new(rig.table);
    g_autofree char *full = g_build_filename(rig.base, "d", NULL);
    char *words[] = { (char *) "size=2m" };
    Grpc__FSGroup group;
    Grpc__Storage storage;
    Grpc__Storage *list[] = { &storage };
    g_autoptr(GError) group_error = NULL;
    g_autoptr(GError) driver_error = NULL;

    grpc__fsgroup__init(&group);
    grpc__storage__init(&storage);
    storage.fstype = (char *) "tmpfs";
    storage.mount_point = full;
    storage.options = words;
    storage.n_options = 1;
    storage.fs_group = &group;
    cr_assert_eq(add(&rig, storages, "d", "noexec"), 0);
    cr_assert_not(coco_storage_table_remount(rig.table, list, 1, &group_error));
    cr_assert_eq(group_error->code, COCO_TTRPC_UNIMPLEMENTED);
    storage.fs_group = NULL;
    storage.driver_options = words;
    storage.n_driver_options = 1;
    cr_assert_not(coco_storage_table_remount(rig.table, list, 1, &driver_error));
    cr_assert_eq(driver_error->code, COCO_TTRPC_UNIMPLEMENTED);
    storage.n_driver_options = 0;
    cr_assert(coco_storage_table_remount(rig.table, list, 1, NULL));
}

/* ---- beside the agent ---- */

typedef struct {
    Rig rig;
    CocoReaper *reaper;
    GMainLoop *loop;
    int code;     /* of the last that was told; -1 before */
    int codes[8]; /* of all */
    unsigned int told;
    unsigned int awaited;
} Beside;

static void
on_told(const GError *error, void *user_data)
{
    Beside *beside = user_data;

    beside->code = error != NULL ? error->code : 0;
    cr_assert_lt(beside->told, G_N_ELEMENTS(beside->codes));
    beside->codes[beside->told] = beside->code;
    if (++beside->told == beside->awaited)
        g_main_loop_quit(beside->loop);
}

static void
wait_for(Beside *beside, unsigned int told)
{
    beside->awaited = told;
    if (beside->told < told)
        g_main_loop_run(beside->loop);
}

static void
beside_clear(Beside *beside)
{
    rig_clear(&beside->rig);
    g_clear_pointer(&beside->reaper, coco_reaper_free);
    g_clear_pointer(&beside->loop, g_main_loop_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Beside, beside_clear)

static Beside
beside_new(void)
{
    Beside beside = { .rig = rig_new(), .code = -1 };

    beside.reaper = coco_reaper_new(NULL);
    beside.loop = g_main_loop_new(NULL, FALSE);
    coco_storage_table_free(beside.rig.table);
    beside.rig.table = coco_storage_table_new(beside.rig.base, beside.reaper);
    return beside;
}

typedef struct {
    char *mount_point;
    char *options[1];
    Grpc__Storage storage;
    Grpc__Storage *list[1];
} One;

static void
one_clear(One *one)
{
    g_free(one->mount_point);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(One, one_clear)

static void
one_init(One *one, const Beside *beside, const char *path, const char *option)
{
    one->mount_point = g_build_filename(beside->rig.base, path, NULL);
    one->options[0] = (char *) option;
    one->list[0] = &one->storage;
    grpc__storage__init(&one->storage);
    one->storage.driver = (char *) "ephemeral";
    one->storage.source = one->storage.fstype = (char *) "tmpfs";
    one->storage.mount_point = one->mount_point;
    one->storage.options = one->options;
    one->storage.n_options = 1;
}

Test(storage_mounts, a_child_mounts_and_its_mounts_are_known_here, .timeout = 20)
{
    g_auto(Beside) beside = beside_new();
    CocoStorages *first = coco_storages_new(beside.rig.table);
    CocoStorages *second = coco_storages_new(beside.rig.table);
    g_auto(One) one = { 0 };
    g_auto(One) other = { 0 };

    one_init(&one, &beside, "d/e", "size=1m");
    one_init(&other, &beside, "d/e", "size=2m");
    coco_storages_add_async(first, one.list, 1, on_told, &beside);
    coco_storages_add_async(second, one.list, 1, on_told, &beside);
    wait_for(&beside, 2);
    cr_assert_eq(beside.code, 0);
    touch(&beside.rig, "d/e/file");
    coco_storages_add_async(second, other.list, 1, on_told, &beside);
    wait_for(&beside, 3);
    cr_assert_eq(beside.code, COCO_TTRPC_ALREADY_EXISTS);
    coco_storages_free_async(first, on_told, &beside);
    coco_storages_free_async(second, on_told, &beside);
    wait_for(&beside, 5);
    cr_assert(exists(&beside.rig, "d/e/file")); /* an emptyDir is the pod's */
    coco_storage_table_free(g_steal_pointer(&beside.rig.table));
    cr_assert_not(exists(&beside.rig, "d/e"));
}

Test(storage_mounts, a_child_remounts_in_its_turn, .timeout = 20)
{
    g_auto(Beside) beside = beside_new();
    CocoStorages *storages = coco_storages_new(beside.rig.table);
    g_auto(One) one = { 0 };
    g_auto(One) larger = { 0 };
    g_auto(One) foreign = { 0 };
    struct statvfs status;

    one_init(&one, &beside, "d", "size=1m");
    one_init(&larger, &beside, "d", "size=2m");
    larger.storage.driver = (char *) "";
    one_init(&foreign, &beside, "no", "size=2m");
    coco_storages_add_async(storages, one.list, 1, on_told, &beside);
    coco_storage_table_remount_async(beside.rig.table, larger.list, 1, on_told, &beside);
    coco_storage_table_remount_async(beside.rig.table, foreign.list, 1, on_told, &beside);
    cr_assert_eq(beside.told, 0, "not at once");
    coco_storages_free_async(storages, on_told, &beside);
    wait_for(&beside, 4);
    cr_assert_eq(beside.codes[1], 0);
    cr_assert_eq(beside.codes[2], COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(statvfs(one.mount_point, &status), 0);
    cr_assert_eq(status.f_blocks * status.f_frsize, 2 << 20);
}

static gboolean
on_timer(void *user_data)
{
    g_main_loop_quit(user_data);
    return G_SOURCE_REMOVE;
}

Test(storage_mounts, one_that_hangs_holds_nobody_but_those_behind_it, .timeout = 20)
{
    g_auto(Beside) beside = beside_new();
    CocoStorages *storages = coco_storages_new(beside.rig.table);
    g_auto(CocoFd) server = mute_mount(beside.rig.base, "mute");
    g_auto(One) one = { 0 };
    g_auto(One) other = { 0 };

    if (server < 0)
        cr_skip_test("no fuse");
    one_init(&one, &beside, "mute/x", "size=1m");
    one_init(&other, &beside, "d/e", "size=2m");
    coco_storages_add_async(storages, one.list, 1, on_told, &beside);
    coco_storages_add_async(storages, other.list, 1, on_told, &beside);
    (void) g_timeout_add(300, on_timer, beside.loop);
    g_main_loop_run(beside.loop);
    cr_assert_eq(beside.told, 0);
    coco_fd_clear(&server);
    wait_for(&beside, 2); /* one round of the loop may tell both */
    cr_assert_neq(beside.codes[0], 0);
    cr_assert_eq(beside.codes[1], 0);
    cr_assert(exists(&beside.rig, "d/e"));
    coco_storages_free_async(storages, on_told, &beside);
    wait_for(&beside, 3);
}

Test(storage_mounts, who_waits_is_told_of_the_end, .timeout = 20)
{
    g_auto(Beside) beside = beside_new();
    g_autoptr(CocoStorages) storages = coco_storages_new(beside.rig.table);
    g_auto(CocoFd) server = mute_mount(beside.rig.base, "mute");
    g_auto(One) one = { 0 };

    if (server < 0)
        cr_skip_test("no fuse");
    one_init(&one, &beside, "mute/x", "size=1m");
    coco_storages_add_async(storages, one.list, 1, on_told, &beside);
    coco_storages_add_async(storages, one.list, 1, on_told, &beside);
    coco_storage_table_stop(beside.rig.table);
    cr_assert_eq(beside.told, 2);
    cr_assert_eq(beside.code, COCO_TTRPC_CANCELLED);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/run/run-dir.c and capability-cache.c: making, locking, removing; seeding and publishing.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/run-dir.h"
#include "vmm/tee/capability-cache.h"

static bool
exists(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return access(path, F_OK) == 0;
}

Test(run_dir, bad_paths_are_refused)
{
    g_autofree char *too_long = g_strnfill(80, 'a');
    static const char *const bad[] = { "relative", "/", "/a,b", "/a b", NULL };

    too_long[0] = '/';
    for (size_t i = 0; bad[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_null(coco_run_dir_new(bad[i], &error));
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    }
    cr_assert_null(coco_run_dir_new(too_long, NULL));
    coco_run_dir_free(NULL);
}

Test(run_dir, only_one_launch_at_a_time)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = g_build_filename(dir, "run", "pod", NULL);
    g_autoptr(CocoRunDir) first = coco_run_dir_new(path, NULL);
    g_autoptr(CocoRunDir) second = coco_run_dir_new(path, NULL);
    g_autoptr(GError) error = NULL;
    struct stat info;

    cr_assert(coco_run_dir_claim(first, NULL));
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0711);
    cr_assert_not(coco_run_dir_claim(second, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BUSY));
    g_clear_pointer(&first, coco_run_dir_free);
    cr_assert(coco_run_dir_claim(second, NULL));
}

Test(run_dir, removes_its_own_and_nothing_else)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = g_build_filename(dir, "pod", NULL);
    g_autofree char *keep = scratch_dir_write(dir, "outside/keep", "x", 1);
    g_autofree char *outside = g_build_filename(dir, "outside", NULL);
    g_autofree char *link = g_build_filename(path, "vm", "link", NULL);
    g_autofree char *state = g_build_filename(path, "state.json", NULL);
    g_autoptr(CocoRunDir) run_dir = coco_run_dir_new(path, NULL);
    g_autoptr(GError) error = NULL;

    cr_assert(coco_run_dir_claim(run_dir, NULL));
    cr_assert(coco_run_dir_prepare(run_dir, NULL));
    cr_assert(coco_run_dir_write(run_dir, "vm/etc/qemu.conf", "text", NULL));
    cr_assert(exists(path, "vm/etc/qemu.conf"));
    cr_assert_eq(symlink(outside, link), 0);
    cr_assert(g_file_set_contents(state, "{}", -1, NULL));
    cr_assert(coco_run_dir_remove(run_dir, &error));
    cr_assert(exists(path, "state.json"));
    cr_assert_not(exists(path, "vm"));
    cr_assert(exists(dir, "outside/keep"));
    cr_assert_eq(unlink(state), 0);
    cr_assert(coco_run_dir_remove(run_dir, &error));
    cr_assert_not(exists(dir, "pod"));
    cr_assert(coco_run_dir_remove(run_dir, &error));
}

#define QEMU_PATH "/usr/bin/qemu"

Test(capability_cache, the_first_one_holds_the_lock_and_the_next_one_is_seeded)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *cache = g_build_filename(dir, "cache", NULL);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, QEMU_PATH, -1);
    g_autofree char *file = g_strdup_printf("vm/cache/qemu/capabilities/%s.xml", sum);
    g_autofree char *first = g_build_filename(dir, "first", NULL);
    g_autofree char *second = g_build_filename(dir, "second", NULL);
    g_autofree char *keep = scratch_dir_write(dir, "second/vm/cache/qemu/capabilities/k", "", 0);
    g_autofree char *answer = NULL;
    g_autoptr(GError) error = NULL;
    int lock = -2;

    cr_assert(coco_capability_cache_seed(cache, first, QEMU_PATH, &lock, &error));
    cr_assert_geq(lock, 0);
    answer = scratch_dir_write(first, file, "<qemuCaps/>", 11);
    cr_assert(coco_capability_cache_publish(cache, first, QEMU_PATH, &error));
    coco_fd_clear(&lock);
    cr_assert(coco_capability_cache_seed(cache, second, QEMU_PATH, &lock, &error));
    cr_assert_eq(lock, -1);
    cr_assert(exists(second, file));
}

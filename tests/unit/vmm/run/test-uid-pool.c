// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/run/uid-pool.c and vmm/config/uid-range.c: no two run directories have one user, claims come
 * back, and those of the dead are taken over.
 */
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/uid-pool.h"

static const CocoUidRange three = { 5000, 5002 };

/* The uid, or 0. */
static uid_t
claim(const char *dir, const char *name, GError **error)
{
    g_autofree char *pool = g_build_filename(dir, "pool", NULL);
    g_autofree char *run_dir = g_build_filename(dir, name, NULL);
    uid_t uid = 0;

    (void) g_mkdir(run_dir, 0711);
    return coco_uid_pool_claim(pool, run_dir, &three, &uid, error) ? uid : 0;
}

static void
release(const char *dir, const char *name)
{
    g_autofree char *run_dir = g_build_filename(dir, name, NULL);

    coco_uid_pool_release(run_dir);
}

Test(uid_pool, each_has_another)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(GError) error = NULL;
    uid_t a = claim(dir, "a", NULL);
    uid_t b = claim(dir, "b", NULL);
    uid_t c = claim(dir, "c", NULL);

    cr_assert(a >= 5000 && b >= 5000 && c >= 5000 && a <= 5002 && b <= 5002 && c <= 5002);
    cr_expect(a != b && b != c && a != c);
    cr_expect_eq(claim(dir, "d", &error), 0);
    cr_assert_neq(error, NULL);
    cr_expect_eq(error->domain, COCO_VMM_ERROR);
    cr_expect_str_eq(error->message,
                     "claim a user for QEMU: all of [host] qemu_uid_range = 5000-5002 are taken");
    release(dir, "b");
    release(dir, "b");
    cr_expect_eq(claim(dir, "d", NULL), b);
}

Test(uid_pool, is_found_until_it_is_released)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *run_dir = g_build_filename(dir, "a", NULL);
    uid_t found = 0;

    cr_expect_not(coco_uid_pool_find(run_dir, &found));
    cr_expect_eq(claim(dir, "a", NULL), coco_uid_pool_find(run_dir, &found) ? found : 1);
    coco_uid_pool_release(run_dir);
    cr_expect_not(coco_uid_pool_find(run_dir, &found));
}

Test(uid_pool, of_the_dead_are_taken_over)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *run_dir = g_build_filename(dir, "a", NULL);
    g_autofree char *link = g_build_filename(run_dir, "uid", NULL);
    uid_t a = claim(dir, "a", NULL);

    cr_assert(claim(dir, "b", NULL) != 0 && claim(dir, "c", NULL) != 0);
    cr_expect_eq(claim(dir, "d", NULL), 0);
    (void) g_unlink(link);
    (void) g_rmdir(run_dir);
    cr_expect_eq(claim(dir, "d", NULL), a);
}

Test(uid_pool, somebody_elses_claim_stays)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *pool = g_build_filename(dir, "pool", NULL);
    g_autofree char *other = g_build_filename(dir, "b", NULL);
    g_autofree char *link = g_build_filename(other, "uid", NULL);
    uid_t a = claim(dir, "a", NULL);
    g_autofree char *claimed = g_strdup_printf("%s/%u", pool, (unsigned int) a);

    (void) g_mkdir(other, 0711);
    cr_assert_eq(symlink(claimed, link), 0);
    coco_uid_pool_release(other);
    cr_expect(access(other, F_OK) == 0 && g_file_test(claimed, G_FILE_TEST_IS_SYMLINK));
}

static const struct {
    const char *text;
    bool good;
    CocoUidRange range;
} ranges[] = {
    { "", true, { 0, 0 } },
    { "1000-1000", true, { 1000, 1000 } },
    { "2100000000-2100009999", true, { 2100000000, 2100009999 } },
    { "0-10", false, { 0 } },
    { "2000-1999", false, { 0 } },
    { "1000-2147483647", false, { 0 } },
    { "1000", false, { 0 } },
    { "1000-", false, { 0 } },
    { "-1000-2000", false, { 0 } },
    { "1000-2000x", false, { 0 } },
    { "off", false, { 0 } },
};

Test(uid_range, texts)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++) {
        g_autoptr(GError) error = NULL;
        CocoUidRange range = { 7, 7 };

        cr_expect_eq(coco_uid_range_parse(ranges[i].text, &range, &error), ranges[i].good, "'%s'",
                     ranges[i].text);
        cr_expect_eq(error == NULL, ranges[i].good);
        if (ranges[i].good)
            cr_expect(range.first == ranges[i].range.first && range.last == ranges[i].range.last);
        else
            cr_expect_eq(range.first, 7, "out_range is written on success only");
    }
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Ids and confinement against what a hostile host would send.
 */
#include "guest/system/paths.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

Test(paths, ids)
{
    static const char *const good[] = { "a", "0", "abc.DEF_1-2", "x..y" };
    static const char *const bad[] = { "",   ".",  "..",  "../x", "a/b",
                                       "-a", "_a", "a b", "a\n",  "\xc3\xa4" };
    g_autofree char *longest = g_strnfill(COCO_ID_MAX, 'a');
    g_autofree char *too_long = g_strnfill(COCO_ID_MAX + 1, 'a');

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        cr_assert(coco_paths_check_id("id", good[i], NULL), "%s", good[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_not(coco_paths_check_id("container id", bad[i], &error), "%s", bad[i]);
        cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
        cr_assert(g_str_has_prefix(error->message, "invalid container id '"));
        cr_assert(g_str_is_ascii(error->message));
    }
    cr_assert(coco_paths_check_id("id", longest, NULL));
    cr_assert_not(coco_paths_check_id("id", too_long, NULL));
}

Test(paths, below)
{
    cr_assert_str_eq(coco_paths_below("/a/b", "/a/b/c/d", NULL), "c/d");
    cr_assert_str_eq(coco_paths_below("/a/b", "/a/b", NULL), "");
    cr_assert_null(coco_paths_below("/a/b", "/a/bc", NULL));
    cr_assert_null(coco_paths_below("/a/b", "/a/b/../c", NULL));
    cr_assert_null(coco_paths_below("/a/b", "a/b/c", NULL));
    cr_assert_not_null(coco_paths_below("/a/b", "/a/b/..c", NULL));
}

static char *
scratch(void)
{
    return g_dir_make_tmp("coco-paths-XXXXXX", NULL);
}

Test(paths, a_link_out_is_not_followed)
{
    g_autofree char *base = scratch();
    g_autofree char *link = g_build_filename(base, "out", NULL);
    g_autofree char *file = g_build_filename(link, "passwd", NULL);
    g_autofree char *below = g_build_filename(link, "new", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) make_error = NULL;

    cr_assert_eq(symlink("/etc", link), 0);
    cr_assert_eq(coco_paths_open(base, file, O_RDONLY, 0, &error), -1);
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
    cr_assert(g_str_has_suffix(error->message, "leads out of its directory"));
    cr_assert_eq(coco_paths_make_directory(base, below, 0755, &make_error), -1);
    cr_assert_not(g_file_test("/etc/new", G_FILE_TEST_EXISTS));
    coco_directory_tree_remove(base);
}

Test(paths, directories_are_made)
{
    g_autofree char *base = scratch();
    g_autofree char *deep = g_build_filename(base, "a//b/./c", NULL);
    g_autofree char *missing = g_build_filename(base, "nosuch", NULL);
    g_autoptr(GError) error = NULL;
    g_auto(CocoFd) fd = coco_paths_make_directory(base, deep, 0700, NULL);
    struct stat status;

    cr_assert_geq(fd, 0);
    cr_assert_eq(fstat(fd, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0700);
    cr_assert_eq(coco_paths_open(base, missing, O_RDONLY, 0, &error), -1);
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND));
    coco_directory_tree_remove(base);
    cr_assert_not(g_file_test(base, G_FILE_TEST_EXISTS));
}

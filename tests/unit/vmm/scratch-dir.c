// SPDX-License-Identifier: Apache-2.0
/*
 * Scratch directories for unit tests (scratch-dir.h).
 */
#include "tests/unit/vmm/scratch-dir.h"

#include <ftw.h>
#include <stdio.h>

static int
on_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    return remove(path);
}

ScratchDir *
scratch_dir_new(void)
{
    GError *error = NULL;
    char *path = g_dir_make_tmp("coco-test-XXXXXX", &error);

    g_assert_no_error(error);
    return path;
}

void
scratch_dir_remove(ScratchDir *dir)
{
    if (dir != NULL)
        (void) nftw(dir, on_entry, 8, FTW_DEPTH | FTW_PHYS);
    g_free(dir);
}

char *
scratch_dir_write(const ScratchDir *dir, const char *name, const char *text, size_t len)
{
    char *path = g_build_filename(dir, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    GError *error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    (void) g_file_set_contents(path, text, (gssize) len, &error);
    g_assert_no_error(error);
    return path;
}

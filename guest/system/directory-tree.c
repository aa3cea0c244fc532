// SPDX-License-Identifier: Apache-2.0
/*
 * See the header. nftw() with FTW_MOUNT, so that a mount that could not be taken away keeps its
 * content.
 */
#include "guest/system/directory-tree.h"

#include <ftw.h>
#include <stdio.h>

#define FDS 16

static int
on_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void) remove(path);
    return 0;
}

void
coco_directory_tree_remove(const char *path)
{
    (void) nftw(path, on_entry, FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

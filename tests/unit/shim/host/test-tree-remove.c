// SPDX-License-Identifier: Apache-2.0
/*
 * shim/host/tree-remove.c: deep, wide and odd directories go; links and mounts lead nowhere.
 */
#include "shim/host/tree-remove.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"

static char *
make_base(void)
{
    char *base = g_dir_make_tmp("coco-tree-XXXXXX", NULL);

    cr_assert(base != NULL);
    return base;
}

/* Far beyond PATH_MAX, which is why it is made from inside. */
static void
nest(const char *base, unsigned int depth)
{
    g_auto(CocoFd) at = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (unsigned int i = 0; i < depth; i++) {
        int next;

        cr_assert(eq(int, mkdirat(at, "a-directory-in-a-directory", 0700), 0));
        cr_assert(eq(int, mkdirat(at, ".removed-0", 0700), 0));
        next = openat(at, "a-directory-in-a-directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        coco_fd_close(at);
        at = next;
    }
}

Test(tree_remove, any_depth)
{
    g_autofree char *base = make_base();

    nest(base, 1000);
    cr_assert(coco_tree_remove(base), "%s", g_strerror(errno));
    cr_expect(ne(int, access(base, F_OK), 0));
    cr_expect(coco_tree_remove(base), "gone already is success");
}

Test(tree_remove, many_entries_and_links)
{
    g_autofree char *base = make_base();
    g_autofree char *canary = make_base();
    g_autofree char *inside = g_build_filename(canary, "inside", NULL);

    cr_assert(g_file_set_contents(inside, "x", 1, NULL));
    for (unsigned int i = 0; i < 300; i++) {
        g_autofree char *directory = g_strdup_printf("%s/%u/b/c", base, i);
        g_autofree char *link_path = g_strdup_printf("%s/link", directory);

        cr_assert(eq(int, g_mkdir_with_parents(directory, 0700), 0));
        cr_assert(eq(int, symlink(canary, link_path), 0));
    }
    cr_assert(coco_tree_remove(base), "%s", g_strerror(errno));
    cr_expect(ne(int, access(base, F_OK), 0));
    cr_expect(eq(int, access(inside, F_OK), 0));
    cr_expect(coco_tree_remove(canary));
}

/* The inner mount is reached through a directory that a guest can exchange for a link. */
Test(tree_remove, mounts_are_taken_off_from_outside)
{
    g_autofree char *base = make_base();
    g_autofree char *canary = make_base();
    g_autofree char *volume = g_build_filename(base, "volume", NULL);
    g_autofree char *sub = g_build_filename(volume, "sub", NULL);
    g_autofree char *inner = g_build_filename(sub, "x", NULL);
    g_autofree char *host = g_build_filename(canary, "x", NULL);
    struct stat before;
    struct stat after;

    if (unshare(CLONE_NEWNS) != 0)
        cr_skip_test("needs root for a mount namespace");
    cr_assert(eq(int, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0));
    cr_assert(eq(int, g_mkdir(volume, 0700), 0));
    cr_assert(eq(int, g_mkdir(host, 0700), 0));
    cr_assert(eq(int, mount("tmpfs", host, "tmpfs", 0, NULL), 0));
    cr_assert(eq(int, stat(host, &before), 0));
    /* Stacked twice, with a mount below. */
    cr_assert(eq(int, mount("tmpfs", volume, "tmpfs", 0, NULL), 0));
    cr_assert(eq(int, mount("tmpfs", volume, "tmpfs", 0, NULL), 0));
    cr_assert(eq(int, g_mkdir_with_parents(inner, 0700), 0));
    cr_assert(eq(int, mount("tmpfs", inner, "tmpfs", 0, NULL), 0));
    cr_assert(coco_tree_remove(base), "%s", g_strerror(errno));
    cr_expect(ne(int, access(base, F_OK), 0));
    cr_assert(eq(int, stat(host, &after), 0));
    cr_expect(eq(ulong, after.st_dev, before.st_dev), "a mount elsewhere stays");
    (void) umount2(host, MNT_DETACH);
    cr_expect(coco_tree_remove(canary));
}

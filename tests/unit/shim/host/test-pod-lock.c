// SPDX-License-Identifier: Apache-2.0
/*
 * shim/host/pod-lock.c: one holder, from the first moment to the last.
 */
#include "shim/host/pod-lock.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/tree-remove.h"

static char *base;
static CocoPodDir *dir;

static void
set_up(void)
{
    g_autofree char *socket = NULL;

    base = g_dir_make_tmp("coco-lock-XXXXXX", NULL);
    socket = g_build_filename(base, "pod", "shim.sock", NULL);
    dir = coco_pod_dir_new_for_socket(socket);
    cr_assert(coco_pod_dir_make(dir, NULL));
}

static void
tear_down(void)
{
    (void) coco_tree_remove(base);
    coco_pod_dir_free(dir);
    g_free(base);
}

TestSuite(pod_lock, .init = set_up, .fini = tear_down);

Test(pod_lock, is_its_makers)
{
    g_auto(CocoFd) lock = coco_pod_lock_make(dir, NULL);
    g_auto(CocoFd) copy = dup(lock);
    g_auto(CocoFd) later = -1;

    cr_assert(ge(int, lock, 0));
    cr_expect(eq(int, coco_pod_lock_try(dir), -1));
    cr_expect(eq(int, errno, EWOULDBLOCK));
    coco_fd_clear(&lock);
    cr_expect(eq(int, coco_pod_lock_try(dir), -1), "a server has it that start has left behind");
    coco_fd_clear(&copy);
    later = coco_pod_lock_try(dir);
    cr_expect(ge(int, later, 0));
}

Test(pod_lock, of_a_directory_that_was_removed_is_none)
{
    g_auto(CocoFd) first = coco_pod_lock_make(dir, NULL);
    g_auto(CocoFd) second = coco_pod_lock_make(dir, NULL);

    cr_assert(ge(int, second, 0), "what a start has left that was killed is replaced");
    coco_fd_clear(&first);
    cr_expect(eq(int, coco_pod_lock_try(dir), -1));
    coco_fd_clear(&second);
    cr_assert(coco_tree_remove(coco_pod_dir_path(dir)));
    cr_expect(eq(int, coco_pod_lock_try(dir), -1));
    cr_expect(eq(int, errno, ENOENT));
    cr_expect(eq(int, coco_pod_lock_wait(dir), -1));
}

Test(pod_lock, is_not_looked_for_where_others_may_write)
{
    g_auto(CocoFd) lock = coco_pod_lock_make(dir, NULL);

    coco_fd_clear(&lock);
    cr_assert(eq(int, chmod(coco_pod_dir_path(dir), 0777), 0));
    cr_expect(eq(int, coco_pod_lock_try(dir), -1));
    cr_expect(eq(int, errno, EPERM));
}

Test(pod_lock, makes_a_link_of_nobody_its_own)
{
    g_autofree char *trap = g_build_filename(base, "trap", NULL);
    g_autofree char *fresh = g_build_filename(coco_pod_dir_path(dir), "served.new", NULL);
    g_autoptr(GError) error = NULL;

    cr_assert(eq(int, symlink(trap, fresh), 0));
    cr_expect(eq(int, coco_pod_lock_make(dir, &error), -1));
    cr_expect(ne(ptr, error, NULL));
    cr_expect(ne(int, access(trap, F_OK), 0));
}

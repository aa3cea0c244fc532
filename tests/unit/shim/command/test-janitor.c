// SPDX-License-Identifier: Apache-2.0
/*
 * shim/command/janitor.c: takes what is left, and nothing else. That it ends processes is for
 * integration/janitor.py.
 */
#include "shim/command/janitor.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/pod-lock.h"
#include "shim/host/tree-remove.h"

static char *base;

static void
set_up(void)
{
    base = g_dir_make_tmp("coco-gc-XXXXXX", NULL);
}

static void
tear_down(void)
{
    (void) coco_tree_remove(base);
    g_free(base);
}

TestSuite(janitor, .init = set_up, .fini = tear_down);

static char *
path_of(const char *name)
{
    return g_build_filename(base, name, NULL);
}

/* A run directory with its lock held (transfer full). */
static int
make_pod(const char *name)
{
    g_autofree char *socket = g_build_filename(base, name, "shim.sock", NULL);
    g_autoptr(CocoPodDir) dir = coco_pod_dir_new_for_socket(socket);

    cr_assert(coco_pod_dir_make(dir, NULL));
    return coco_pod_lock_make(dir, NULL);
}

static void
leave_pod(const char *name)
{
    g_auto(CocoFd) lock = make_pod(name);
}

static char *
run(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    cr_assert(coco_janitor_run(base, out, NULL));
    (void) fclose(out);
    return text;
}

static bool
is_there(const char *name)
{
    g_autofree char *path = path_of(name);
    struct stat info;

    return lstat(path, &info) == 0;
}

Test(janitor, takes_what_nobody_serves)
{
    g_auto(CocoFd) served = make_pod("served");
    g_autofree char *text = NULL;
    g_autofree char *wanted = g_strdup_printf("%s/left: removed\n", base);
    g_autofree char *deep = g_build_filename(base, "left", "vm", "a", "b", NULL);

    leave_pod("left");
    cr_assert(eq(int, g_mkdir_with_parents(deep, 0755), 0));
    text = run();
    cr_expect(eq(str, text, wanted));
    cr_expect(not(is_there("left")));
    cr_expect(is_there("served"));
}

Test(janitor, leaves_what_is_not_told_to_be_left)
{
    g_autofree char *other = path_of("uids");
    g_autofree char *link = path_of("link");
    g_autofree char *away = g_dir_make_tmp("coco-gc-away-XXXXXX", NULL);
    g_autofree char *mark = g_build_filename(away, "served", NULL);
    g_autofree char *open_to_all = path_of("open");
    g_autofree char *text = NULL;

    cr_assert(eq(int, g_mkdir_with_parents(other, 0711), 0));
    cr_assert(g_file_set_contents(mark, "", 0, NULL));
    cr_assert(eq(int, symlink(away, link), 0));
    leave_pod("open");
    cr_assert(eq(int, chmod(open_to_all, 0777), 0));
    text = run();
    cr_expect(eq(str, text, ""));
    cr_expect(is_there("uids"));
    cr_expect(is_there("open"));
    cr_expect(eq(int, access(mark, F_OK), 0));
    cr_assert(coco_tree_remove(away));
}

/* Where containerd has it, with a link in the run directory. */
Test(janitor, takes_the_socket_along)
{
    g_autofree char *socket_path = path_of("elsewhere");
    g_autofree char *link = g_build_filename(base, "left", "shim.sock", NULL);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(CocoFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *text = NULL;

    (void) g_strlcpy(address.sun_path, socket_path, sizeof address.sun_path);
    cr_assert(eq(int, bind(fd, (struct sockaddr *) &address, sizeof address), 0));
    leave_pod("left");
    cr_assert(eq(int, symlink(socket_path, link), 0));
    text = run();
    cr_expect(not(is_there("left")));
    cr_expect(not(is_there("elsewhere")));
}

Test(janitor, has_nothing_to_do_where_nothing_is)
{
    cr_assert(coco_tree_remove(base));
    cr_expect(coco_janitor_run(base, stdout, NULL));
}

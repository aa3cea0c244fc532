// SPDX-License-Identifier: Apache-2.0
/*
 * Where a shim listens, what is announced, and that nothing of it stays.
 */
#include "shim/host/shim-socket.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"

static char *base;

static CocoPodDir *
make_dir(void)
{
    CocoPodDir *dir;

    base = g_dir_make_tmp("coco-socket-XXXXXX", NULL);
    cr_assert(g_setenv("COCO_RUN_DIR", base, TRUE));
    dir = coco_pod_dir_new("/c.sock", "ns", "pod");
    cr_assert(coco_pod_dir_make(dir, NULL));
    return dir;
}

static void
remove_dir(const CocoPodDir *dir)
{
    cr_assert(coco_pod_dir_remove(dir, NULL));
    (void) g_rmdir(base);
    g_free(base);
}

Test(shim_socket, own_directory)
{
    g_autoptr(CocoPodDir) dir = make_dir();
    g_auto(CocoFd) fd = coco_shim_socket_listen(dir, NULL, "x", NULL);
    g_autofree char *address = coco_shim_socket_address(dir);
    g_autofree char *wanted = g_strconcat("unix://", coco_pod_dir_socket(dir), NULL);
    struct stat info;

    cr_assert(ge(int, fd, 0));
    cr_expect(eq(str, address, wanted));
    cr_expect(coco_shim_socket_is_served(dir));
    cr_assert(eq(int, stat(coco_pod_dir_socket(dir), &info), 0));
    cr_expect(eq(uint, info.st_mode & 07777, 0600));
    coco_fd_clear(&fd);
    cr_expect(not(coco_shim_socket_is_served(dir)));
    remove_dir(dir);
}

Test(shim_socket, directory_of_containerd)
{
    g_autoptr(CocoPodDir) dir = make_dir();
    g_autofree char *sockets = g_build_filename(base, "s", NULL);
    g_autofree char *path = g_build_filename(
        sockets, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", NULL);
    g_autofree char *wanted = g_strconcat("unix://", path, NULL);
    g_auto(CocoFd) fd = coco_shim_socket_listen(dir, sockets, "x", NULL);
    g_autofree char *address = coco_shim_socket_address(dir);

    cr_assert(ge(int, fd, 0));
    cr_expect(eq(str, address, wanted), "SHA-256 of the input");
    cr_expect(coco_shim_socket_is_served(dir), "found through the run directory");
    remove_dir(dir);
    cr_expect(ne(int, access(path, F_OK), 0), "removed with the run directory");
    (void) g_rmdir(sockets);
}

Test(shim_socket, stale_one_is_replaced_and_a_served_one_is_not)
{
    g_autoptr(CocoPodDir) dir = make_dir();
    g_autoptr(GError) error = NULL;
    g_auto(CocoFd) first = coco_shim_socket_listen(dir, NULL, "x", NULL);
    g_auto(CocoFd) second = -1;

    cr_assert(ge(int, first, 0));
    cr_expect(eq(int, coco_shim_socket_listen(dir, NULL, "x", &error), -1));
    cr_expect(strstr(error->message, coco_pod_dir_socket(dir)) != NULL);
    coco_fd_clear(&first);
    second = coco_shim_socket_listen(dir, NULL, "x", NULL);
    cr_expect(ge(int, second, 0));
    remove_dir(dir);
}

Test(shim_socket, path_that_is_too_long)
{
    g_autoptr(CocoPodDir) dir = make_dir();
    g_autofree char *sockets =
        g_build_filename(base, "a-directory-with-a-name-of-more-than-forty-two-bytes", NULL);
    g_autoptr(GError) error = NULL;

    cr_expect(eq(int, coco_shim_socket_listen(dir, sockets, "x", &error), -1));
    cr_expect(strstr(error->message, "bind socket") != NULL);
    (void) g_rmdir(sockets);
    remove_dir(dir);
}

Test(shim_socket, address_in_a_bundle)
{
    g_autofree char *bundle = g_dir_make_tmp("coco-bundle-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(bundle, "address", NULL);
    g_autofree char *text = NULL;

    cr_assert(coco_shim_socket_write_address(bundle, "unix:///a", NULL));
    cr_assert(coco_shim_socket_write_address(bundle, "unix:///b", NULL));
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_expect(eq(str, text, "unix:///b"));
    (void) g_remove(path);
    (void) g_rmdir(bundle);
}

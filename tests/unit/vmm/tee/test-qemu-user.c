// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/qemu-user.c: a socket that QEMU's user may connect to, and those that it may not.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/tee/qemu-user.h"

static CocoFd
listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(CocoFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    cr_assert_eq(bind(fd, (const struct sockaddr *) &address, sizeof address), 0);
    cr_assert_eq(listen(fd, 4), 0);
    return coco_fd_steal(&fd);
}

Test(qemu_user, a_socket_is_reached_as_the_user)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_auto(CocoFd) fd = listen_at(path);
    CocoQemuUser user = { .name = (char[]){ "+2100000000" }, 2100000000, 2100000000 };
    g_autoptr(GError) error = NULL;

    cr_assert_eq(chmod(dir, 0711), 0);
    cr_assert_eq(chmod(path, 0666), 0);
    cr_assert(coco_qemu_user_check_socket(&user, "service", path, &error), "%s",
              error != NULL ? error->message : "");
    if (geteuid() != 0)
        return;
    cr_assert_eq(chmod(path, 0600), 0);
    cr_assert_not(coco_qemu_user_check_socket(&user, "service", path, &error));
    cr_assert(g_str_has_suffix(error->message, "as user '+2100000000': Permission denied"), "%s",
              error->message);
}

Test(qemu_user, a_socket_without_a_listener_is_no_service)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    CocoFd fd = listen_at(path);
    CocoQemuUser user = { .name = (char[]){ "+2100000000" }, 2100000000, 2100000000 };
    g_autoptr(GError) error = NULL;

    coco_fd_close(fd);
    cr_assert_eq(chmod(dir, 0711), 0);
    cr_assert_eq(chmod(path, 0666), 0);
    cr_assert_not(coco_qemu_user_check_socket(&user, "service", path, &error));
    cr_assert_not_null(strstr(error->message, "Connection refused"), "%s", error->message);
}

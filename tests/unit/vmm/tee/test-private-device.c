// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/private-device.c: QEMU's user opens what is root's on the host, in this namespace only.
 * The device is a node that only root may open, on a file system of the test's own.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/tee/private-device.h"

#define NOBODY 65534
#define SKIPPED 77

static bool
opens_as(const char *path, uid_t user)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        bool fine = setgroups(0, NULL) == 0 && setgid(user) == 0 && setuid(user) == 0;

        _exit(fine && open(path, O_RDWR | O_CLOEXEC) >= 0 ? 0 : 1);
    }
    (void) waitpid(child, &status, 0);
    return status == 0;
}

/* In a process and a mount namespace of its own; what failed, by number. */
static int
try_device(const char *dir)
{
    g_autofree char *host = g_build_filename(dir, "host", NULL);
    g_autofree char *device = g_build_filename(host, "sev", NULL);
    g_autofree char *file = g_build_filename(dir, "file", NULL);
    g_autofree char *vm = g_build_filename(dir, "vm", NULL);

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
        mkdir(host, 0755) < 0 || mkdir(vm, 0711) < 0 || chmod(dir, 0755) < 0 ||
        mount("host", host, "tmpfs", 0, "mode=0755") < 0 ||
        mknod(device, S_IFCHR | 0600, makedev(1, 5)) < 0)
        return SKIPPED;
    if (opens_as(device, NOBODY))
        return 1;
    if (coco_private_device_make(dir, file, NOBODY, NULL))
        return 2; /* it is not there */
    if (!coco_private_device_make(dir, device, NOBODY, NULL))
        return 3;
    if (!opens_as(device, NOBODY) || opens_as(device, NOBODY - 1))
        return 4;
    if (umount2(device, MNT_DETACH) < 0 || opens_as(device, NOBODY))
        return 5; /* the host's own node */
    return 0;
}

Test(private_device, is_for_one_user)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    int status = -1;
    pid_t child;

    if (geteuid() != 0)
        cr_skip("only root makes devices");
    child = fork();
    if (child == 0)
        _exit(try_device(dir));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED)
        cr_skip("no mount namespaces or devices here");
    cr_expect_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}

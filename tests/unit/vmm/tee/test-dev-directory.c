// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/dev-directory.c: what a QEMU opens is there, and nothing of the host's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/tee/dev-directory.h"

#define SKIPPED 77

static bool
has_block_device(void)
{
    DIR *dir = opendir("/dev");
    struct dirent *entry;
    bool found = false;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat info;

        found = found || (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISBLK(info.st_mode));
    }
    if (dir != NULL)
        (void) closedir(dir);
    return found;
}

/* In a process and a mount namespace of its own; what failed, by number. */
static int
try_dev(const char *dir, bool kvm)
{
    g_autofree char *vm = g_build_filename(dir, "vm", NULL);
    bool host_has_kvm = access("/dev/kvm", F_OK) == 0;
    struct stat info;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
        mkdir(vm, 0711) < 0)
        return SKIPPED;
    if (!coco_dev_directory_make(dir, NULL, kvm, NULL))
        return 1;
    if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 || open("/dev/urandom", O_RDONLY | O_CLOEXEC) < 0)
        return 2;
    if (stat("/dev/null", &info) < 0 || (info.st_mode & 0777) != 0666)
        return 3;
    if (has_block_device() || access("/dev/mem", F_OK) == 0 || access("/dev/ptmx", F_OK) == 0)
        return 4;
    return (access("/dev/kvm", F_OK) == 0) == (kvm && host_has_kvm) ? 0 : 5;
}

static int
status_of(bool kvm)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(try_dev(dir, kvm));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(dev_directory, has_what_qemu_opens_and_no_more)
{
    int with_kvm;

    if (geteuid() != 0)
        cr_skip("only root makes devices");
    with_kvm = status_of(true);
    if (with_kvm == SKIPPED)
        cr_skip("no mount namespaces or devices here");
    cr_expect_eq(with_kvm, 0, "step %d", with_kvm);
    cr_expect_eq(status_of(false), 0);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/qemu-root.c: a process that was there before finds only what a QEMU needs, too.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/tee/dev-directory.h"
#include "vmm/tee/qemu-root.h"

#define SKIPPED 77

/* What is hidden and what is not, by number; as root, for whom hidepid does not count. */
static int
look_around(const char *dir)
{
    g_autofree char *own = g_build_filename(dir, "vm", "own", NULL);
    g_autofree char *other = g_build_filename(dir, "other", NULL);
    g_autofree char *quotes = g_build_filename(dir, "quotes", "socket", NULL);
    g_autofree char *cwd = g_get_current_dir();

    if (access("/etc/passwd", F_OK) == 0 || access("/var", F_OK) == 0 || access("/root", F_OK) == 0)
        return 10;
    if (access("/sys", F_OK) == 0 || access("/proc/sys", F_OK) == 0)
        return 11;
    if (access(other, F_OK) == 0)
        return 12;
    if (access(own, W_OK) < 0 || access("/dev/null", W_OK) < 0 ||
        open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
        return 13;
    if (access(quotes, F_OK) < 0 || access("/proc/self/fd", F_OK) < 0)
        return 14;
    if (access("/usr/bin/env", X_OK) < 0 || access("/lib", X_OK) < 0)
        return 15;
    if (mkdir("/new", 0700) == 0 || mkdir("/usr/new", 0700) == 0)
        return 16;
    return strcmp(cwd, "/") == 0 ? 0 : 17;
}

/* The one that was there before, as QEMU is. */
static pid_t
start_bystander(const char *dir, int wait_fd)
{
    pid_t child = fork();
    char byte;

    if (child == 0)
        _exit(chdir("/") == 0 && read(wait_fd, &byte, 1) == 1 ? look_around(dir) : 18);
    return child;
}

static int
try_root(const char *dir)
{
    g_autofree char *vm = g_build_filename(dir, "vm", NULL);
    g_autofree char *quotes = g_build_filename(dir, "quotes", "socket", NULL);
    int ends[2];
    int status;
    pid_t bystander;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
        !coco_dev_directory_make(dir, NULL, false, NULL))
        return SKIPPED;
    if (pipe2(ends, O_CLOEXEC) < 0 || (bystander = start_bystander(dir, ends[0])) < 0)
        return 1;
    if (coco_qemu_root_enter(dir, "/etc/../socket", NULL) ||
        !coco_qemu_root_enter(dir, quotes, NULL))
        return 2;
    if (write(ends[1], "", 1) != 1 || waitpid(bystander, &status, 0) != bystander)
        return 3;
    if (status != 0)
        return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
    return look_around(dir);
}

static int
status_of(const char *dir)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(try_root(dir));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(qemu_root, has_what_qemu_opens_and_no_more)
{
    static const char *const directories[] = { "vm", "quotes", "other" };
    static const char *const files[] = { "vm/own", "quotes/socket" };
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    int status;

    if (geteuid() != 0)
        cr_skip("only root makes a root");
    for (size_t i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *path = g_build_filename(dir, directories[i], NULL);

        cr_assert_eq(mkdir(path, 0711), 0);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);

        cr_assert(g_file_set_contents(path, "", 0, NULL));
    }
    status = status_of(dir);
    if (status == SKIPPED)
        cr_skip("no mount namespaces or devices here");
    cr_expect_eq(status, 0, "step %d", status);
}

Test(qemu_root, names_the_step_that_failed)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(GError) error = NULL;

    cr_assert(!coco_qemu_root_enter(dir, NULL, &error));
    cr_expect(g_str_has_prefix(error->message, "mount tmpfs on '"), "%s", error->message);
}

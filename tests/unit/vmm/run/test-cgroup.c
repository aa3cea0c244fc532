// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/run/cgroup.c and, with a cgroup, vmm/run/process-finder.c: hierarchies as mountinfo tells
 * them; and on a host that lets us, that whatever is in the cgroup is found and ended, by what name
 * it may go, and nothing else.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "guest-protocol/posix/fd.h"
#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/run/cgroup.h"
#include "vmm/run/process-finder.h"

#define HYBRID                                                                                     \
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"                                            \
    "35 31 0:32 / /sys/fs/cgroup/memory rw shared:3 - cgroup cgroup rw,memory\n"                   \
    "36 31 0:37 / /sys/fs/cgroup/a\\040b rw - cgroup cgroup rw,name=systemd\n"                     \
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"                                \
    "50 31 0:32 /x /elsewhere rw - cgroup cgroup rw,memory\n"                                      \
    "garbage\n - cgroup2 \n"

Test(cgroup, hierarchies)
{
    static const char *const wanted[] = { "/sys/fs/cgroup/unified/p/q", "/sys/fs/cgroup/memory/p/q",
                                          "/sys/fs/cgroup/a b/p/q", NULL };
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *mounts = g_build_filename(dir, "mountinfo", NULL);
    g_autoptr(CocoCgroup) cgroup = NULL;

    cr_assert(g_file_set_contents(mounts, HYBRID, -1, NULL));
    cgroup = coco_cgroup_new("/p/q", mounts, NULL);
    cr_assert_neq(cgroup, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
        cr_expect_eq(g_strcmp0(coco_cgroup_directory(cgroup, i), wanted[i]), 0, "%zu", i);
}

Test(cgroup, only_paths_that_stay_below)
{
    static const char *const bad[] = { "", "/", "a", "/a/..", "/../a", "/a//b", "/a/", "/./a" };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        cr_expect_eq(coco_cgroup_new(bad[i], "/proc/self/mountinfo", &error), NULL, "'%s'", bad[i]);
        cr_expect_neq(error, NULL);
    }
}

/* A process in the cgroup that has no name of ours in its command line and waits for its end. */
static pid_t
start_in(const CocoCgroup *cgroup)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void) pause();
        _exit(0);
    }
    if (cgroup != NULL)
        cr_assert(coco_cgroup_enter(cgroup, pid, NULL));
    return pid;
}

/* NULL where there is none for us, as in most containers. */
static CocoCgroup *
make_cgroup(const char *run_dir)
{
    g_autofree char *path = g_strdup_printf("/coco-unit-%d", (int) getpid());
    g_autofree char *file = coco_cgroup_file(run_dir);
    CocoCgroup *cgroup = coco_cgroup_new(path, "/proc/self/mountinfo", NULL);
    size_t n = 0;

    cr_assert(g_file_set_contents(file, path, -1, NULL));
    if (cgroup == NULL || !coco_cgroup_make(cgroup, &n, NULL) || n == 0)
        g_clear_pointer(&cgroup, coco_cgroup_free);
    return cgroup;
}

Test(cgroup, all_in_it_is_ended_and_nothing_else, .timeout = 30)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(CocoCgroup) cgroup = make_cgroup(dir);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = NULL;
    pid_t inside[2];
    pid_t outside;
    int status;

    if (cgroup == NULL)
        cr_skip("no cgroup hierarchy can be written to");
    for (size_t i = 0; i < G_N_ELEMENTS(inside); i++)
        inside[i] = start_in(cgroup);
    outside = start_in(NULL);
    found = coco_host_process_find("/proc", dir);
    cr_expect_eq(found->len, 2);
    cr_expect_eq(coco_host_process_first(found, COCO_PROCESS_MEMBER), inside[0]);
    cr_expect_not(coco_cgroup_remove(cgroup, NULL), "it is not empty");
    cr_expect(coco_host_process_kill_all(dir, 10000, NULL, &error));
    for (size_t i = 0; i < G_N_ELEMENTS(inside); i++) {
        cr_expect_eq(waitpid(inside[i], &status, 0), inside[i]);
        cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    cr_expect_eq(kill(outside, 0), 0);
    (void) kill(outside, SIGKILL);
    (void) waitpid(outside, &status, 0);
    cr_expect(coco_cgroup_remove(cgroup, &error));
    cr_expect_not(coco_cgroup_exists(cgroup));
    cr_expect(coco_cgroup_remove(cgroup, &error), "gone already is success");
}

/* The order matters to a console logger, which reads to the end of QEMU's output. */
Test(cgroup, an_orderly_end, .timeout = 30)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(CocoCgroup) cgroup = make_cgroup(dir);
    pid_t pid;
    int status;

    if (cgroup == NULL)
        cr_skip("no cgroup hierarchy can be written to");
    pid = start_in(cgroup);
    cr_expect(coco_host_process_end_all(dir, NULL));
    cr_expect_eq(waitpid(pid, &status, 0), pid);
    cr_expect(coco_cgroup_remove(cgroup, NULL));
}

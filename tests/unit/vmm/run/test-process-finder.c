// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/run/process-finder.c: our processes are found by their shape and user, and nobody else's is.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/run/process-finder.h"

#define RUN "/run/coco/abc"

static const struct {
    CocoHostProcessKind kind;
    const char *argv[10];
} shapes[] = {
    { COCO_PROCESS_LAUNCHER, { "/usr/bin/coco-vmm", "launch", "--config", "c", "--run-dir", RUN } },
    { COCO_PROCESS_LAUNCHER, { "coco-vmm", "launch", "--run-dir=" RUN, "--config=c" } },
    { COCO_PROCESS_LAUNCHER, { "coco-vmm", "attach", "--run-dir", RUN, "--config", "c" } },
    { COCO_PROCESS_LAUNCHER, { "/x/coco-vmm-libvirt", "--run-dir", RUN } },
    { COCO_PROCESS_CONSOLE, { "/x/coco-vmm-console", "--run-dir", RUN } },
    { COCO_PROCESS_VIRTIOFSD, { RUN "/vm/virtiofsd", "--fd=3" } },
    { COCO_PROCESS_VIRTIOFSD, { "/bin/sh", RUN "/vm/virtiofsd", "--fd=3" } },
    { COCO_PROCESS_QEMU,
      { "/usr/bin/qemu-system-x86_64", "-name", "guest=coco,debug-threads=on", "-object",
        "{\"file\":\"" RUN "/vm/lib/qemu/k\"}" } },
    { COCO_PROCESS_PROBE,
      { "qemu-system-x86_64", "-qmp", "unix:" RUN "/vm/lib/qemu/q/qmp.monitor", "-pidfile",
        RUN "/vm/lib/qemu/q/qmp.pid" } },
    { COCO_PROCESS_OTHER, { NULL } },
    { COCO_PROCESS_OTHER, { "coco-vmm", "destroy", "--run-dir", RUN } },
    { COCO_PROCESS_OTHER, { "coco-vmm", "launch", "--run-dir", RUN "d" } },
    { COCO_PROCESS_OTHER, { "coco-vmm", "launch", "--run-dir" } },
    { COCO_PROCESS_OTHER, { "sh", "-c", "coco-vmm launch --run-dir " RUN } },
    { COCO_PROCESS_OTHER, { "tail", "-f", RUN "/console.log" } },
    { COCO_PROCESS_OTHER, { "cat", RUN "/vm/virtiofsd" } },
    { COCO_PROCESS_OTHER, { "vi", RUN "/vm/domain.xml" } },
    { COCO_PROCESS_OTHER,
      { "qemu-system-x86_64", "-name", "guest=coco,debug-threads=on", "-object",
        "{\"file\":\"" RUN "d/vm/lib/qemu/k\"}" } },
    { COCO_PROCESS_OTHER, { "grep", "-name", "guest=other", RUN "/vm/x" } },
};

Test(process_finder, shapes)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++)
        cr_assert_eq(coco_host_process_classify(shapes[i].argv, RUN), shapes[i].kind, "shape %zu",
                     i);
}

/* A process that looks like the console logger of run_dir and waits for its end. */
static pid_t
start_lookalike(const char *run_dir, uid_t user)
{
    int ends[2];
    char byte;
    pid_t child;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        if (user != geteuid() && setresuid(user, user, user) < 0)
            _exit(127);
        (void) execl("/bin/sh", "/x/coco-vmm-console", "-c", "read line", "--run-dir", run_dir,
                     (char *) NULL);
        _exit(127);
    }
    /* Both ends in the child close at its exec. */
    coco_fd_close(ends[1]);
    cr_assert_eq(read(ends[0], &byte, 1), 0);
    coco_fd_close(ends[0]);
    return child;
}

Test(process_finder, ends_what_belongs_and_only_that, .timeout = 30)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *other_dir = g_strconcat(dir, "x", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = NULL;
    g_autoptr(GArray) left = NULL;
    int ends[2];
    pid_t ours;
    pid_t other;
    int status;

    /* The lookalikes read from this pipe, whose writing end stays here. */
    cr_assert_eq(pipe2(ends, 0), 0);
    cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    ours = start_lookalike(dir, geteuid());
    other = start_lookalike(other_dir, geteuid());
    found = coco_host_process_find("/proc", dir);
    cr_assert_eq(found->len, 1);
    cr_assert_eq(coco_host_process_first(found, COCO_PROCESS_CONSOLE), ours);
    cr_assert(coco_host_process_end_all(dir, &error));
    cr_assert_eq(waitpid(ours, &status, 0), ours);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    left = coco_host_process_find("/proc", other_dir);
    cr_assert_eq(left->len, 1);
    cr_assert_eq(kill(other, SIGKILL), 0);
    cr_assert_eq(waitpid(other, &status, 0), other);
}

/* Whoever may start processes chooses their command lines. */
Test(process_finder, of_another_user_it_is_nobodys, .timeout = 30)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(GArray) found = NULL;
    int ends[2];
    pid_t other;
    int status;

    if (geteuid() != 0)
        cr_skip("only root can be somebody else");
    cr_assert_eq(pipe2(ends, 0), 0);
    cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    other = start_lookalike(dir, 65534);
    found = coco_host_process_find("/proc", dir);
    cr_expect_eq(found->len, 0);
    cr_expect(coco_host_process_end_all(dir, NULL));
    cr_expect_eq(kill(other, 0), 0);
    (void) kill(other, SIGKILL);
    cr_assert_eq(waitpid(other, &status, 0), other);
}

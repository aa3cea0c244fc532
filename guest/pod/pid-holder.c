// SPDX-License-Identifier: Apache-2.0
/*
 * The holder is the agent's program run anew, not a copy of the agent: what the agent has in memory
 * must not be where a container may look. It says that it is ready by a byte on READY_FD, when it
 * has given up all that it was.
 */
#include "guest/pod/pid-holder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define PROGRAM "/proc/self/exe"
#define PID_SELF "/proc/thread-self/ns/pid"
#define READY_FD 3
#define NOBODY 65534

/* ---- in the agent ---- */

static int
spawn(int ready_fd, pid_t *out_pid)
{
    const char *const argv[] = { "pod", COCO_PID_HOLDER_ARGUMENT, NULL };
    const char *const environment[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    int result;

    (void) sigemptyset(&none);
    (void) sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    for (int i = 0; i < READY_FD; i++)
        posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, ready_fd, READY_FD);
    result = posix_spawn(out_pid, PROGRAM, &actions, &attributes, (char *const *) (uintptr_t) argv,
                         (char *const *) (uintptr_t) environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result;
}

/* errno, or 0. The thread's next children are where they were before again, whatever happens. */
static int
spawn_in_new(int ready_fd, pid_t *out_pid)
{
    g_auto(CocoFd) own = open(PID_SELF, O_RDONLY | O_CLOEXEC);
    int failure;

    if (own < 0 || unshare(CLONE_NEWPID) < 0)
        return errno;
    failure = spawn(ready_fd, out_pid);
    if (setns(own, CLONE_NEWPID) < 0) {
        g_warning("return to the guest's pid namespace: %s", g_strerror(errno));
        return failure != 0 ? failure : errno;
    }
    return failure;
}

int
coco_pid_holder_start(pid_t *out_pid, GError **error)
{
    g_auto(CocoFd) pidfd = -1;
    g_auto(CocoFd) ready = -1;
    g_auto(CocoFd) theirs = -1;
    int ends[2];
    int failure = pipe2(ends, O_CLOEXEC) < 0 ? errno : 0;
    pid_t pid = 0;
    char byte;

    if (failure == 0) {
        ready = ends[0];
        /* Above what the child gets, so that no dup2() overwrites it. */
        theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, READY_FD + 1);
        coco_fd_clear(&ends[1]);
        failure = theirs < 0 ? errno : spawn_in_new(theirs, &pid);
    }
    coco_fd_clear(&theirs);
    if (failure == 0 && (pidfd = pidfd_open(pid, 0)) < 0)
        failure = errno;
    /* Milliseconds; the end of the child is an end of the pipe. */
    if (failure == 0 && TEMP_FAILURE_RETRY(read(ready, &byte, 1)) != 1)
        failure = ECHILD;
    if (failure == 0) {
        *out_pid = pid;
        return coco_fd_steal(&pidfd);
    }
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "make the pod's pid namespace: %s",
                g_strerror(failure));
    return -1;
}

/* ---- in the holder ---- */

/* An empty, read-only root: nothing of the guest's is behind /proc/1/root. A rootfs cannot be
 * pivoted, so the new one is moved over it. */
static bool
leave_root(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/run", "tmpfs", MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSUID,
                 "mode=0,size=4k,nr_inodes=1") == 0 &&
           chdir("/run") == 0 && mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 &&
           chdir("/") == 0;
}

static bool
drop_rights(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { 0 };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && setgroups(0, NULL) == 0 &&
           setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
           syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

int
coco_pid_holder_main(void)
{
    struct sigaction collect = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };

    if (getpid() != 1 || !leave_root() || !drop_rights() ||
        sigaction(SIGCHLD, &collect, NULL) < 0 || write(READY_FD, "", 1) != 1)
        return 1;
    (void) close_range(READY_FD, ~0U, 0);
    /* No signal has a handler, so none from its own namespace ends process 1. */
    for (;;)
        (void) pause();
}

// SPDX-License-Identifier: Apache-2.0
/*
 * fork and exec of a helper (spawn.h).
 */
#include "vmm/run/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"

/* Above any descriptor number that a helper is given. */
#define FIRST_SPARE_FD COCO_SPAWN_FDS_MAX

char *
coco_spawn_find_helper(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self != NULL ? g_path_get_dirname(self) : g_strdup(".");
    g_autofree char *beside = g_build_filename(dir, name, NULL);
    /* cococtl, in a build directory. */
    g_autofree char *built = g_build_filename(dir, "..", "vmm", name, NULL);

    if (access(beside, X_OK) == 0)
        return g_steal_pointer(&beside);
    if (access(built, X_OK) == 0)
        return g_steal_pointer(&built);
    return g_build_filename(COCO_LIBEXEC_DIR, name, NULL);
}

/* First out of the way, then into place: source and target numbers may overlap. */
static bool
place_fds(const int *fds, size_t n_fds, int *report_fd)
{
    int spare[FIRST_SPARE_FD];

    *report_fd = fcntl(*report_fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
    if (*report_fd < 0)
        return false;
    for (size_t i = 0; i < n_fds; i++) {
        int from = fds[i] >= 0 ? fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);

        spare[i] = fcntl(from, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
        if (spare[i] < 0)
            return false;
    }
    for (size_t i = 0; i < n_fds; i++) {
        if (dup2(spare[i], (int) i) < 0)
            return false;
    }
    return close_range((unsigned int) n_fds, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static void
reset_signals(void)
{
    sigset_t none;

    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) signal(SIGPIPE, SIG_DFL);
}

/* netns: as of coco_spawn_in_netns(). */
static bool
enter_netns(const char *netns)
{
    g_auto(CocoFd) fd = -1;

    if (netns == NULL)
        return true;
    if (netns[0] == '\0')
        return unshare(CLONE_NEWNET) == 0;
    fd = open(netns, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
}

static void G_GNUC_NORETURN
run_child(const char *netns, const char *const *argv, const int *fds, size_t n_fds,
          CocoSpawnFlags flags, pid_t parent, int report_fd)
{
    int err;

    reset_signals();
    if ((flags & COCO_SPAWN_NEW_SESSION) != 0)
        (void) setsid();
    if ((flags & COCO_SPAWN_DIES_WITH_PARENT) != 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
    }
    if (enter_netns(netns) && place_fds(fds, n_fds, &report_fd))
        (void) execv(argv[0], (char *const *) (uintptr_t) argv);
    err = errno;
    (void) !write(report_fd, &err, sizeof err);
    _exit(127);
}

bool
coco_spawn(const char *const *argv, const int *fds, size_t n_fds, CocoSpawnFlags flags,
           pid_t *out_pid, GError **error)
{
    return coco_spawn_in_netns(NULL, argv, fds, n_fds, flags, out_pid, error);
}

bool
coco_spawn_in_netns(const char *netns, const char *const *argv, const int *fds, size_t n_fds,
                    CocoSpawnFlags flags, pid_t *out_pid, GError **error)
{
    g_auto(CocoFd) in = -1;
    g_auto(CocoFd) out = -1;
    pid_t parent = getpid();
    int ends[2];
    int err = 0;
    pid_t child;

    if (n_fds >= FIRST_SPARE_FD)
        return coco_vmm_error_errno(error, EMFILE, "start '%s' with %zu descriptors", argv[0],
                                    n_fds);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return coco_vmm_error_errno(error, errno, "start '%s'", argv[0]);
    in = ends[0];
    out = ends[1];
    child = fork();
    if (child < 0)
        return coco_vmm_error_errno(error, errno, "start '%s'", argv[0]);
    if (child == 0)
        run_child(netns, argv, fds, n_fds, flags, parent, out);
    coco_fd_clear(&out);
    /* The pipe closes at a successful exec; bytes in it are the errno of a failed one. */
    if (read(in, &err, sizeof err) == sizeof err) {
        (void) waitpid(child, NULL, 0);
        return coco_vmm_error_errno(error, err, "start '%s'", argv[0]);
    }
    *out_pid = child;
    return true;
}

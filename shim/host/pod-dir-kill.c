// SPDX-License-Identifier: Apache-2.0
/*
 * Ends every process of a pod: its shim, which is told by its command line, and what the launcher
 * started (vmm/run/process-finder.h).
 *
 * The shim is not in the pod's cgroup, as runc's is not: it is what ends the pod. Pid files may be
 * missing or stale after a kill -9 at the wrong moment; the socket in its command line cannot be. A
 * person's `tail -f` names that, too, and so may anybody's process, so program and user must be
 * ours as well. A pidfd is opened before it is looked at again, so a recycled pid is never killed.
 */
#include "shim/host/pod-dir.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/run/process-finder.h"

#define PROGRAM "containerd-shim-coco"

static bool
is_our_program(pid_t pid)
{
    g_autofree char *directory = g_strdup_printf("/proc/%d", pid);
    g_autofree char *link = g_build_filename(directory, "exe", NULL);
    g_autofree char *target = g_file_read_link(link, NULL);
    g_autofree char *name = target != NULL ? g_path_get_basename(target) : NULL;
    struct stat info;

    return name != NULL && g_str_has_prefix(name, PROGRAM) && stat(directory, &info) == 0 &&
           info.st_uid == geteuid();
}

/* "-socket", DIR/shim.sock: start.c. */
static bool
serves(pid_t pid, const CocoPodDir *dir)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/cmdline", pid);
    g_autofree char *line = NULL;
    g_autofree char *wanted = g_strdup_printf("-socket%c%s", '\1', coco_pod_dir_socket(dir));
    size_t length = 0;

    if (!g_file_get_contents(file, &line, &length, NULL))
        return false;
    for (size_t i = 0; i < length; i++)
        line[i] = line[i] == '\0' ? '\1' : line[i];
    return strstr(line, wanted) != NULL;
}

static bool
is_shim(pid_t pid, const CocoPodDir *dir)
{
    return serves(pid, dir) && is_our_program(pid);
}

void
coco_pod_dir_end_shim(const CocoPodDir *dir, pid_t pid)
{
    g_auto(CocoFd) fd = pid > 1 ? pidfd_open(pid, 0) : -1;

    if (fd >= 0 && is_shim(pid, dir))
        (void) pidfd_send_signal(fd, SIGTERM, NULL, 0);
}

/* False with errno: it is one and lives on. */
static bool
kill_if_shim(pid_t pid, const CocoPodDir *dir, int64_t deadline)
{
    g_auto(CocoFd) fd = -1;
    struct pollfd poll_fd = { .events = POLLIN };
    int64_t left;

    if (!is_shim(pid, dir))
        return true;
    fd = pidfd_open(pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    if (!is_shim(pid, dir))
        return true;
    if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0)
        return errno == ESRCH;
    poll_fd.fd = fd;
    left = MAX(0, (deadline - g_get_monotonic_time()) / 1000);
    errno = ETIMEDOUT;
    return poll(&poll_fd, 1, (int) left) == 1;
}

/* Before the others, so that it starts none. */
static bool
kill_shims(const CocoPodDir *dir, int64_t deadline, GError **error)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    bool fine = true;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t) g_ascii_strtoll(entry->d_name, NULL, 10);

        if (pid > 1 && pid != getpid() && fine && !kill_if_shim(pid, dir, deadline)) {
            fine = false;
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                        "end processes of '%s': kill %d by its pidfd: %s", coco_pod_dir_path(dir),
                        pid, g_strerror(errno));
        }
    }
    if (proc != NULL)
        (void) closedir(proc);
    return fine;
}

bool
coco_pod_dir_kill_processes(const CocoPodDir *dir, int timeout_ms, pid_t *out_qemu_pid,
                            GError **error)
{
    int64_t deadline = g_get_monotonic_time() + (int64_t) timeout_ms * 1000;
    int64_t left;

    if (out_qemu_pid != NULL)
        *out_qemu_pid = 0;
    if (!kill_shims(dir, deadline, error))
        return false;
    left = MAX(0, (deadline - g_get_monotonic_time()) / 1000);
    return coco_host_process_kill_all(coco_pod_dir_path(dir), (int) left, out_qemu_pid, error);
}

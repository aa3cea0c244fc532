// SPDX-License-Identifier: Apache-2.0
/*
 * Ends every process of a pod by the one mark that all of them carry: the pod's run directory in
 * the command line. Pid files may be missing or stale after a kill -9 at the wrong moment; the
 * command line cannot be.
 *
 * A person's `tail -f RUN/console.log` carries it too, so the executable must be one of ours as
 * well. A pidfd is opened before the command line is read again, so a recycled pid is never killed.
 */
#include "shim/host/pod-dir.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"

static const char *const our_programs[] = { "qemu-system-", "virtiofsd", "coco-vmm",
                                            "containerd-shim-coco" };

static bool
is_our_program(pid_t pid)
{
    g_autofree char *link = g_strdup_printf("/proc/%d/exe", pid);
    g_autofree char *target = g_file_read_link(link, NULL);
    const char *name;

    if (target == NULL)
        return false;
    name = strrchr(target, '/');
    name = name != NULL ? name + 1 : target;
    for (size_t i = 0; i < G_N_ELEMENTS(our_programs); i++) {
        if (g_str_has_prefix(name, our_programs[i]))
            return true;
    }
    return false;
}

static bool
names_directory(pid_t pid, const char *path)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/cmdline", pid);
    g_autofree char *line = NULL;
    size_t length = 0;
    size_t path_length = strlen(path);
    const char *at;

    if (!g_file_get_contents(file, &line, &length, NULL))
        return false;
    /* A whole path component must match: /run/coco/ab must not catch /run/coco/abc. */
    for (at = line; (at = memmem(at, length - (size_t) (at - line), path, path_length)) != NULL;
         at++) {
        char after = at[path_length]; /* g_file_get_contents ends the text with a NUL */

        if (after == '\0' || after == '/' || after == ',' || after == '"')
            return true;
    }
    return false;
}

/* False with errno: the process is ours and lives on. */
static bool
kill_if_ours(GArray *pidfds, pid_t pid, const char *path, pid_t *out_qemu_pid)
{
    g_auto(CocoFd) fd = -1;
    int pidfd;
    g_autofree char *link = NULL;
    g_autofree char *target = NULL;

    if (!names_directory(pid, path) || !is_our_program(pid))
        return true;
    fd = pidfd_open(pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    if (!names_directory(pid, path))
        return true;
    link = g_strdup_printf("/proc/%d/exe", pid);
    target = g_file_read_link(link, NULL);
    if (out_qemu_pid != NULL && target != NULL && strstr(target, "/qemu-system-") != NULL)
        *out_qemu_pid = pid;
    if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0)
        return errno == ESRCH;
    pidfd = coco_fd_steal(&fd);
    g_array_append_val(pidfds, pidfd);
    return true;
}

void
coco_pod_dir_end_shim(const CocoPodDir *dir, pid_t pid)
{
    g_auto(CocoFd) fd = pid > 1 ? pidfd_open(pid, 0) : -1;

    if (fd >= 0 && names_directory(pid, coco_pod_dir_path(dir)) && is_our_program(pid))
        (void) pidfd_send_signal(fd, SIGTERM, NULL, 0);
}

/* Kills all that can be killed; error is of the first that cannot. */
static GArray *
kill_all(const char *path, pid_t keep_pid, pid_t *out_qemu_pid, GError **error)
{
    GArray *pidfds = g_array_new(FALSE, FALSE, sizeof(int));
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t) g_ascii_strtoll(entry->d_name, NULL, 10);

        if (pid > 1 && pid != getpid() && pid != keep_pid &&
            !kill_if_ours(pidfds, pid, path, out_qemu_pid) && *error == NULL)
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                        "end processes of '%s': kill %d by its pidfd: %s", path, pid,
                        g_strerror(errno));
    }
    if (proc != NULL)
        (void) closedir(proc);
    return pidfds;
}

/* Not reaped here: in the shim that is signals.c's, which tells whoever waits for a launcher's end.
 * What has ended names no directory any more. */
static bool
wait_for(int pidfd, int64_t deadline)
{
    struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
    int64_t left = (deadline - g_get_monotonic_time()) / 1000;

    return poll(&poll_fd, 1, left > 0 ? (int) left : 0) == 1;
}

static bool
wait_for_all(const GArray *pidfds, int64_t deadline)
{
    bool all_gone = true;

    for (unsigned int i = 0; i < pidfds->len; i++) {
        all_gone = all_gone && wait_for(g_array_index(pidfds, int, i), deadline);
        coco_fd_close(g_array_index(pidfds, int, i));
    }
    return all_gone;
}

bool
coco_pod_dir_kill_processes(const CocoPodDir *dir, pid_t keep_pid, int timeout_ms,
                            pid_t *out_qemu_pid, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + (int64_t) timeout_ms * 1000;
    unsigned int rounds = 0;
    unsigned int found;

    if (out_qemu_pid != NULL)
        *out_qemu_pid = 0;
    /* Again until none is found: a launcher may have forked between our look and its end. */
    do {
        g_autoptr(GError) refused = NULL;
        g_autoptr(GArray) pidfds =
            kill_all(coco_pod_dir_path(dir), keep_pid, out_qemu_pid, &refused);

        found = pidfds->len;
        if (!wait_for_all(pidfds, deadline)) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                        "end processes of '%s': still there after %d ms", coco_pod_dir_path(dir),
                        timeout_ms);
            return false;
        }
        if (refused != NULL) {
            g_propagate_error(error, g_steal_pointer(&refused));
            return false;
        }
    } while (found > 0 && ++rounds < 8);
    return true;
}

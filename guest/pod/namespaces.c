// SPDX-License-Identifier: Apache-2.0
/*
 * A namespace lives as long as something refers to it; a bind mount of /proc/thread-self/ns/X is
 * enough, and needs no process. A process without the right to make namespaces (tests) gets an
 * error.
 */
#include "guest/pod/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/pod/pid-holder.h"

#define IPC_SELF "/proc/thread-self/ns/ipc"
#define UTS_SELF "/proc/thread-self/ns/uts"

struct _CocoNamespaces {
    char *ipc;
    char *uts;
    char *pid;
    CocoFd init;  /* pidfd of process 1 of the pid namespace; -1: there is none */
    bool is_held; /* process 1 is a holder of ours */
};

static bool
bind_file(const char *from, const char *to)
{
    g_auto(CocoFd) fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 && mount(from, to, NULL, MS_BIND, NULL) == 0;
}

static bool
make_in_new(const CocoNamespaces *namespaces, const char *hostname)
{
    return unshare(CLONE_NEWIPC | CLONE_NEWUTS) == 0 &&
           (*hostname == '\0' || sethostname(hostname, strlen(hostname)) == 0) &&
           bind_file(IPC_SELF, namespaces->ipc) && bind_file(UTS_SELF, namespaces->uts);
}

/* Containers that joined it keep it, while its process 1 lives. */
static void
leave_pid(CocoNamespaces *namespaces)
{
    if (namespaces->is_held)
        (void) pidfd_send_signal(namespaces->init, SIGKILL, NULL, 0);
    (void) umount2(namespaces->pid, MNT_DETACH);
    coco_fd_clear(&namespaces->init);
    namespaces->is_held = false;
}

/* A pid namespace without process 1 takes nobody any more. */
static bool
has_living_pid(const CocoNamespaces *namespaces)
{
    struct pollfd ended = { .fd = namespaces->init, .events = POLLIN };

    return namespaces->init >= 0 && poll(&ended, 1, 0) == 0;
}

CocoNamespaces *
coco_namespaces_new(const char *directory, const char *hostname, GError **error)
{
    g_auto(CocoFd) own_ipc = open(IPC_SELF, O_RDONLY | O_CLOEXEC);
    g_auto(CocoFd) own_uts = open(UTS_SELF, O_RDONLY | O_CLOEXEC);
    g_autoptr(CocoNamespaces) namespaces = g_new0(CocoNamespaces, 1);
    bool made;

    namespaces->ipc = g_build_filename(directory, "ipc", NULL);
    namespaces->uts = g_build_filename(directory, "uts", NULL);
    namespaces->pid = g_build_filename(directory, "pid", NULL);
    namespaces->init = -1;
    made = own_ipc >= 0 && own_uts >= 0 && make_in_new(namespaces, hostname);
    if (!made)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "make the pod's namespaces: %s",
                    g_strerror(errno));
    if (own_ipc >= 0)
        (void) setns(own_ipc, CLONE_NEWIPC);
    if (own_uts >= 0)
        (void) setns(own_uts, CLONE_NEWUTS);
    return made ? g_steal_pointer(&namespaces) : NULL;
}

void
coco_namespaces_free(CocoNamespaces *namespaces)
{
    if (namespaces == NULL)
        return;
    (void) umount2(namespaces->ipc, MNT_DETACH);
    (void) umount2(namespaces->uts, MNT_DETACH);
    leave_pid(namespaces);
    (void) unlink(namespaces->ipc);
    (void) unlink(namespaces->uts);
    (void) unlink(namespaces->pid);
    g_free(namespaces->pid);
    g_free(namespaces->ipc);
    g_free(namespaces->uts);
    g_free(namespaces);
}

const char *
coco_namespaces_get_ipc(const CocoNamespaces *namespaces)
{
    return namespaces != NULL ? namespaces->ipc : NULL;
}

const char *
coco_namespaces_get_uts(const CocoNamespaces *namespaces)
{
    return namespaces != NULL ? namespaces->uts : NULL;
}

bool
coco_namespaces_adopt_pid(CocoNamespaces *namespaces, pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/pid", (int) pid);

    if (has_living_pid(namespaces))
        return true;
    leave_pid(namespaces);
    namespaces->init = pidfd_open(pid, 0);
    if (namespaces->init < 0 || !bind_file(path, namespaces->pid)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL,
                    "keep the pod's pid namespace: %s", g_strerror(errno));
        leave_pid(namespaces);
        return false;
    }
    return true;
}

const char *
coco_namespaces_get_pid(CocoNamespaces *namespaces, GError **error)
{
    g_auto(CocoFd) holder = -1;
    pid_t pid;

    if (namespaces == NULL) {
        g_set_error_literal(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                            "no sandbox whose pid namespace could be shared");
        return NULL;
    }
    if (has_living_pid(namespaces))
        return namespaces->pid;
    holder = coco_pid_holder_start(&pid, error);
    if (holder < 0)
        return NULL;
    if (!coco_namespaces_adopt_pid(namespaces, pid, error)) {
        (void) pidfd_send_signal(holder, SIGKILL, NULL, 0);
        return NULL;
    }
    namespaces->is_held = true;
    return namespaces->pid;
}

bool
coco_namespaces_publish_resolv_conf(const char *path, GError **error)
{
    if (getpid() != 1)
        return true;
    (void) unlink("/etc/resolv.conf");
    if (symlink(path, "/etc/resolv.conf") < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "link /etc/resolv.conf: %s",
                                 g_strerror(errno));
    return true;
}

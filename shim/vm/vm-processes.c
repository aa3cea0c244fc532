// SPDX-License-Identifier: Apache-2.0
/*
 * One pidfd and one source a process (vm-processes.h).
 */
#include "shim/vm/vm-processes.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    CocoVmProcesses *processes;
    CocoVmProcess which;
    int pidfd;
    unsigned int source;
} Watch;

struct _CocoVmProcesses {
    Watch watches[COCO_N_VM_PROCESSES];
    CocoVmProcessGoneFunc func;
    void *user_data;
};

const char *
coco_vm_process_name(CocoVmProcess which)
{
    static const char *const names[] = {
        [COCO_VM_PROCESS_VM] = "the VM",
        [COCO_VM_PROCESS_VIRTIOFSD] = "virtiofsd",
        [COCO_VM_PROCESS_CONSOLE] = "the console logger",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == COCO_N_VM_PROCESSES);
    return names[which];
}

CocoVmProcesses *
coco_vm_processes_new(CocoVmProcessGoneFunc func, void *user_data)
{
    CocoVmProcesses *processes = g_new0(CocoVmProcesses, 1);

    processes->func = func;
    processes->user_data = user_data;
    for (unsigned int i = 0; i < COCO_N_VM_PROCESSES; i++)
        processes->watches[i] =
            (Watch){ .processes = processes, .which = (CocoVmProcess) i, .pidfd = -1 };
    return processes;
}

void
coco_vm_processes_free(CocoVmProcesses *processes)
{
    if (processes == NULL)
        return;
    coco_vm_processes_unwatch(processes);
    g_free(processes);
}

void
coco_vm_processes_unwatch(CocoVmProcesses *processes)
{
    for (unsigned int i = 0; i < COCO_N_VM_PROCESSES; i++) {
        g_clear_handle_id(&processes->watches[i].source, g_source_remove);
        coco_fd_clear(&processes->watches[i].pidfd);
    }
}

static gboolean
on_gone(int fd, GIOCondition condition, void *user_data)
{
    Watch *watch = user_data;

    watch->source = 0;
    coco_fd_clear(&watch->pidfd);
    watch->processes->func(watch->which, watch->processes->user_data);
    return G_SOURCE_REMOVE;
}

/* False with errno: nothing tells of its end. ESRCH: it has ended. */
static bool
watch_one(Watch *watch, pid_t pid)
{
    if (pid <= 0)
        return true;
    watch->pidfd = pidfd_open(pid, 0);
    if (watch->pidfd < 0)
        return false;
    watch->source = g_unix_fd_add(watch->pidfd, G_IO_IN, on_gone, watch);
    return true;
}

bool
coco_vm_processes_watch(CocoVmProcesses *processes, const pid_t pids[COCO_N_VM_PROCESSES],
                        GError **error)
{
    for (unsigned int i = 0; i < COCO_N_VM_PROCESSES; i++) {
        const char *name = coco_vm_process_name((CocoVmProcess) i);

        if (watch_one(&processes->watches[i], pids[i]))
            continue;
        if (errno != ESRCH)
            g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "watch %s (pid %d): %s",
                        name, pids[i], g_strerror(errno));
        else if (i != COCO_VM_PROCESS_CONSOLE)
            g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE,
                        "%s ended at once (pid %d)", name, pids[i]);
        else
            continue;
        return false;
    }
    return true;
}

bool
coco_vm_processes_runs(const CocoVmProcesses *processes, CocoVmProcess which)
{
    return processes->watches[which].pidfd >= 0;
}

void
coco_vm_processes_kill_vm(const CocoVmProcesses *processes)
{
    int pidfd = processes->watches[COCO_VM_PROCESS_VM].pidfd;

    if (pidfd >= 0)
        (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
}

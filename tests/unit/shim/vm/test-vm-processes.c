// SPDX-License-Identifier: Apache-2.0
/*
 * shim/vm/vm-processes.c with children of our own: each end is told once, what has ended before it
 * is watched is an error unless it is the logger, and nothing is told any more once unwatched.
 */
#include "shim/vm/vm-processes.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"

static unsigned int n_gone[COCO_N_VM_PROCESSES];

static void
on_gone(CocoVmProcess which, void *user_data)
{
    const CocoVmProcesses *const *processes = user_data;

    cr_expect(!coco_vm_processes_runs(*processes, which));
    n_gone[which]++;
}

static pid_t
child(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void) pause();
        _exit(0);
    }
    cr_assert_gt(pid, 0);
    return pid;
}

static void
end(pid_t pid)
{
    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, NULL, 0);
}

static pid_t
one_that_ended(void)
{
    pid_t pid = child();

    end(pid);
    return pid;
}

Test(vm_processes, each_end_is_told_once)
{
    CocoVmProcesses *processes = NULL;
    const pid_t pids[COCO_N_VM_PROCESSES] = { child(), child(), child() };
    g_autoptr(GError) error = NULL;

    processes = coco_vm_processes_new(on_gone, &processes);
    cr_assert(coco_vm_processes_watch(processes, pids, &error), "%s", error ? error->message : "");
    for (unsigned int i = 0; i < COCO_N_VM_PROCESSES; i++)
        cr_expect(coco_vm_processes_runs(processes, (CocoVmProcess) i));
    end(pids[COCO_VM_PROCESS_CONSOLE]);
    while (n_gone[COCO_VM_PROCESS_CONSOLE] == 0)
        g_main_context_iteration(NULL, TRUE);
    cr_expect(coco_vm_processes_runs(processes, COCO_VM_PROCESS_VM));
    coco_vm_processes_kill_vm(processes);
    while (n_gone[COCO_VM_PROCESS_VM] == 0)
        g_main_context_iteration(NULL, TRUE);
    coco_vm_processes_kill_vm(processes); /* of nobody */
    coco_vm_processes_unwatch(processes);
    end(pids[COCO_VM_PROCESS_VIRTIOFSD]);
    end(pids[COCO_VM_PROCESS_VM]);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_expect_eq(n_gone[COCO_VM_PROCESS_VM], 1);
    cr_expect_eq(n_gone[COCO_VM_PROCESS_VIRTIOFSD], 0);
    cr_expect_eq(n_gone[COCO_VM_PROCESS_CONSOLE], 1);
    coco_vm_processes_free(processes);
    coco_vm_processes_free(NULL);
}

Test(vm_processes, what_ended_before)
{
    CocoVmProcesses *processes = NULL;
    const pid_t logger[COCO_N_VM_PROCESSES] = { 0, 0, one_that_ended() };
    const pid_t share[COCO_N_VM_PROCESSES] = { 0, one_that_ended(), 0 };
    g_autofree char *wanted =
        g_strdup_printf("virtiofsd ended at once (pid %d)", share[COCO_VM_PROCESS_VIRTIOFSD]);
    g_autoptr(GError) error = NULL;

    processes = coco_vm_processes_new(on_gone, &processes);
    cr_expect(coco_vm_processes_watch(processes, logger, &error));
    cr_expect_null(error);
    cr_expect(!coco_vm_processes_watch(processes, share, &error));
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE));
    cr_expect_str_eq(error->message, wanted);
    coco_vm_processes_free(processes);
}

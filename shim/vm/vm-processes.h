// SPDX-License-Identifier: Apache-2.0
/*
 * What the launcher leaves running for a VM, held by pidfds: the end of each is told, and the VM's
 * own process can be ended whatever becomes of its pid.
 *
 * Ownership: the caller's.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef enum {
    COCO_VM_PROCESS_VM,
    COCO_VM_PROCESS_VIRTIOFSD,
    COCO_VM_PROCESS_CONSOLE,
    COCO_N_VM_PROCESSES,
} CocoVmProcess;

typedef struct _CocoVmProcesses CocoVmProcesses;

/* Once for each, from the main loop; coco_vm_processes_runs() is false of it by then. */
typedef void (*CocoVmProcessGoneFunc)(CocoVmProcess which, void *user_data);

CocoVmProcesses *coco_vm_processes_new(CocoVmProcessGoneFunc func, void *user_data);
void coco_vm_processes_free(CocoVmProcesses *processes); /* nullable; they run on */

/* pids: 0 for one that there is not. COCO_TTRPC_ERROR when nothing would tell of the end of one, or
 * when one but the console logger has ended already. */
bool coco_vm_processes_watch(CocoVmProcesses *processes, const pid_t pids[COCO_N_VM_PROCESSES],
                             GError **error);

bool coco_vm_processes_runs(const CocoVmProcesses *processes, CocoVmProcess which);

/* SIGKILL to the VM's, if it runs. */
void coco_vm_processes_kill_vm(const CocoVmProcesses *processes);

/* The end of none of them is told any more. */
void coco_vm_processes_unwatch(CocoVmProcesses *processes);

/* "the VM", for messages. */
const char *coco_vm_process_name(CocoVmProcess which);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoVmProcesses, coco_vm_processes_free)

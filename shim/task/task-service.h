// SPDX-License-Identifier: Apache-2.0
/*
 * containerd's Task service (containerd.task.v2.Task and v3) for one pod: the table of methods and
 * their handlers.
 *
 * Error texts that clients compare or show are those of runc's shim.
 * Source: containerd api/runtime/task/v{2,3}/shim.proto; behaviour traced on containerd 1.6 to 2.3.
 *
 * Ownership: the service table is static; user_data of the server is the CocoPod.
 * Thread: main.
 */
#pragma once

#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "shim/pod/pod.h"

/* v2 and v3: the messages are the same, byte for byte. */
#define COCO_N_TASK_SERVICES 2
extern const CocoTtrpcService coco_task_services[COCO_N_TASK_SERVICES];

/* Handlers, by file. call: (transfer full), pod: CocoPod. */
void coco_task_create(CocoTtrpcCall *call, void *pod); /* task-create.c */
void coco_task_start(CocoTtrpcCall *call, void *pod);  /* task-start.c */
void coco_task_exec(CocoTtrpcCall *call, void *pod);   /* task-start.c */
void coco_task_delete(CocoTtrpcCall *call, void *pod); /* task-delete.c */
void coco_task_kill(CocoTtrpcCall *call, void *pod);   /* task-control.c, as all below */
void coco_task_pause(CocoTtrpcCall *call, void *pod);
void coco_task_resume(CocoTtrpcCall *call, void *pod);
void coco_task_resize_pty(CocoTtrpcCall *call, void *pod);
void coco_task_update(CocoTtrpcCall *call, void *pod);
void coco_task_stats(CocoTtrpcCall *call, void *pod);

/* Gives the terminal of a process that was just started the size that came before. */
void coco_task_apply_window(CocoPod *pod, const CocoProcess *process);

/* Waits in the guest for the end of a process that exists there, and reports it. */
void coco_task_watch_exit(CocoPod *pod, CocoContainer *container, CocoProcess *process);

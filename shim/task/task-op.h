// SPDX-License-Identifier: Apache-2.0
/*
 * A Task call under way: the call with the container and process it is about, kept alive until it
 * is answered.
 *
 * Ownership: the op owns the call until coco_task_op_reply() or coco_task_op_fail(), which free the
 * op. Thread: main.
 */
#pragma once

#include <stdbool.h>

#include "guest-protocol/proto/task-pb.h"
#include "shim/pod/pod.h"

typedef struct CocoTaskOp CocoTaskOp;

struct CocoTaskOp {
    CocoPod *pod;
    CocoTtrpcCall *call;
    CocoContainer *container;
    CocoProcess *process;
    void *extra; /* one allocation of the handler's own, g_free()d with the op */
    void (*removed)(CocoTaskOp *op); /* what coco_task_op_remove_in_guest() goes on with */
};

/* call: (transfer full); container, process: (transfer none), process nullable. */
CocoTaskOp *coco_task_op_new(CocoPod *pod, CocoTtrpcCall *call, CocoContainer *container,
                             CocoProcess *process);

void coco_task_op_reply(CocoTaskOp *op, const ProtobufCMessage *response);
void coco_task_op_fail(CocoTaskOp *op, const GError *error);

/* The container and the process (exec_id "" for its first) a call names. When one is unknown the
 * call is answered with NOT_FOUND, in the words of runc's shim, and NULL comes back: then call is
 * not the caller's any more. */
CocoTaskOp *coco_task_op_find(CocoPod *pod, CocoTtrpcCall *call, const char *id,
                              const char *exec_id);

/* Takes the answer of the agent for an op whose answer to containerd is empty. A callback for
 * coco_pod_call_of_agent(). */
void coco_task_op_on_empty(GObject *source, GAsyncResult *result, void *op);

/* Has the agent remove the container, then calls removed. A container that the guest cannot remove
 * must not stay on the host: that is only warned of, the pod's end takes it along. */
void coco_task_op_remove_in_guest(CocoTaskOp *op, void (*removed)(CocoTaskOp *op));

/* The pid reported for everything in the pod: QEMU's. Clients skip a Kill of pid 0, so it must be a
 * real one; 0 for an exec that was not started, which cannot be killed. */
uint32_t coco_task_op_pid(const CocoTaskOp *op);

/* As clients see it: with its container paused everything that has not ended is paused. */
Containerd__V1__Types__Status coco_task_op_status(const CocoTaskOp *op);

/* Answers with runc's words for a verb that does not go with the status: "cannot VERB a running
 * NOUN". */
void coco_task_op_refuse(CocoTaskOp *op, const char *verb, const char *noun);

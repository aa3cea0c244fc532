// SPDX-License-Identifier: Apache-2.0
/*
 * Life of a Task call.
 */
#include "shim/task/task-op.h"

#define REMOVE_TIMEOUT_S 10

CocoTaskOp *
coco_task_op_new(CocoPod *pod, CocoTtrpcCall *call, CocoContainer *container, CocoProcess *process)
{
    CocoTaskOp *op = g_new0(CocoTaskOp, 1);

    op->pod = pod;
    op->call = call;
    op->container = coco_container_ref(container);
    op->process = process != NULL ? coco_process_ref(process) : NULL;
    return op;
}

static void
op_free(CocoTaskOp *op)
{
    coco_container_unref(op->container);
    coco_process_unref(op->process);
    g_free(op->extra);
    g_free(op);
}

void
coco_task_op_reply(CocoTaskOp *op, const ProtobufCMessage *response)
{
    coco_ttrpc_call_reply(op->call, response);
    op_free(op);
}

void
coco_task_op_fail(CocoTaskOp *op, const GError *error)
{
    coco_ttrpc_call_fail_error(op->call, error);
    op_free(op);
}

CocoTaskOp *
coco_task_op_find(CocoPod *pod, CocoTtrpcCall *call, const char *id, const char *exec_id)
{
    CocoContainer *container = coco_pod_find(pod, id);
    CocoProcess *process = container != NULL ? coco_container_find(container, exec_id) : NULL;

    if (container == NULL)
        coco_ttrpc_call_fail(call, COCO_TTRPC_NOT_FOUND, "container not created: not found");
    else if (process == NULL)
        coco_ttrpc_call_fail(call, COCO_TTRPC_NOT_FOUND, "process does not exist %s: not found",
                             exec_id);
    return process != NULL ? coco_task_op_new(pod, call, container, process) : NULL;
}

void
coco_task_op_on_empty(GObject *source, GAsyncResult *result, void *op)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    if (reply != NULL)
        coco_task_op_reply(op, NULL);
    else
        coco_task_op_fail(op, error);
}

static void
on_removed_in_guest(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    CocoTaskOp *op = user_data;

    if (reply == NULL)
        g_warning("remove container %s in the guest: %s", coco_container_id(op->container),
                  error->message);
    op->removed(op);
}

void
coco_task_op_remove_in_guest(CocoTaskOp *op, void (*removed)(CocoTaskOp *op))
{
    CocoAgentCall call = coco_pod_call_of_agent(op->pod, REMOVE_TIMEOUT_S, on_removed_in_guest, op);

    op->removed = removed;
    coco_agent_remove_container(&call, coco_container_id(op->container));
}

uint32_t
coco_task_op_pid(const CocoTaskOp *op)
{
    if (op->process != NULL && coco_process_exec_id(op->process)[0] != '\0' &&
        coco_process_state(op->process) == COCO_PROCESS_CREATED)
        return 0;
    return (uint32_t) coco_pod_vm_pid(coco_pod_vm(op->pod));
}

Containerd__V1__Types__Status
coco_task_op_status(const CocoTaskOp *op)
{
    CocoProcessState state = coco_process_state(op->process);

    if (coco_container_is_paused(op->container) && state != COCO_PROCESS_STOPPED)
        return CONTAINERD__V1__TYPES__STATUS__PAUSED;
    switch (state) {
    case COCO_PROCESS_CREATED:
    case COCO_PROCESS_STARTING:
        return CONTAINERD__V1__TYPES__STATUS__CREATED;
    case COCO_PROCESS_RUNNING:
        return CONTAINERD__V1__TYPES__STATUS__RUNNING;
    case COCO_PROCESS_STOPPED:
        return CONTAINERD__V1__TYPES__STATUS__STOPPED;
    case COCO_PROCESS_INVALID:
    case COCO_N_PROCESS_STATES:
        break;
    }
    return CONTAINERD__V1__TYPES__STATUS__UNKNOWN;
}

void
coco_task_op_refuse(CocoTaskOp *op, const char *verb, const char *noun)
{
    static const char *const words[] = {
        [CONTAINERD__V1__TYPES__STATUS__UNKNOWN] = "unknown",
        [CONTAINERD__V1__TYPES__STATUS__CREATED] = "created",
        [CONTAINERD__V1__TYPES__STATUS__RUNNING] = "running",
        [CONTAINERD__V1__TYPES__STATUS__STOPPED] = "stopped",
        [CONTAINERD__V1__TYPES__STATUS__PAUSED] = "paused",
    };
    g_autoptr(GError) error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, "cannot %s a %s %s",
                                          verb, words[coco_task_op_status(op)], noun);

    coco_task_op_fail(op, error);
}

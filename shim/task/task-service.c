// SPDX-License-Identifier: Apache-2.0
/*
 * The method table, and the handlers that need nothing from the guest.
 */
#include "shim/task/task-service.h"

#include <unistd.h>

#include "shim/host/timestamp.h"
#include "shim/task/task-op.h"

static void
handle_state(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__StateRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, request->exec_id);
    Containerd__Task__V2__StateResponse response = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
    Google__Protobuf__Timestamp exited_at;

    if (op == NULL)
        return;
    coco_timestamp_set(&exited_at, coco_process_exited_at(op->process));
    response.id = request->exec_id[0] != '\0' ? request->exec_id : request->id;
    response.bundle = (char *) coco_container_bundle(op->container);
    response.pid = coco_task_op_pid(op);
    response.status = coco_task_op_status(op);
    response.stdin = (char *) coco_process_in(op->process);
    response.stdout = (char *) coco_process_out(op->process);
    response.stderr = (char *) coco_process_err(op->process);
    response.terminal = coco_process_terminal(op->process);
    response.exit_status = coco_process_exit_status(op->process);
    response.exited_at = &exited_at;
    coco_task_op_reply(op, &response.base);
}

static void
count_running(CocoProcess *exec, void *user_data)
{
    GPtrArray *running = user_data;

    if (coco_process_state(exec) == COCO_PROCESS_RUNNING)
        g_ptr_array_add(running, exec);
}

static Google__Protobuf__Any *
describe_exec(const CocoProcess *exec)
{
    Containerd__Runc__V1__ProcessDetails details = CONTAINERD__RUNC__V1__PROCESS_DETAILS__INIT;
    Google__Protobuf__Any *any = g_new(Google__Protobuf__Any, 1);

    google__protobuf__any__init(any);
    details.exec_id = (char *) coco_process_exec_id(exec);
    any->type_url = g_strdup(details.base.descriptor->name);
    any->value.len = protobuf_c_message_get_packed_size(&details.base);
    any->value.data = g_malloc(any->value.len);
    (void) protobuf_c_message_pack(&details.base, any->value.data);
    return any;
}

static void
handle_pids(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__PidsRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, "");
    g_autoptr(GPtrArray) running = g_ptr_array_new();
    g_autoptr(GPtrArray) infos = g_ptr_array_new_with_free_func(
        (GDestroyNotify) containerd__v1__types__process_info__auto_free);
    Containerd__Task__V2__PidsResponse response = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;

    if (op == NULL)
        return;
    /* Also when it has ended: containerd drops a task without pids when it restarts, and its exit
     * with it. */
    g_ptr_array_add(running, op->process);
    coco_container_each_exec(op->container, count_running, running);
    for (unsigned int i = 0; i < running->len; i++) {
        CocoProcess *process = g_ptr_array_index(running, i);
        Containerd__V1__Types__ProcessInfo *info = g_new(Containerd__V1__Types__ProcessInfo, 1);

        containerd__v1__types__process_info__init(info);
        info->pid = coco_task_op_pid(op);
        info->info = process != op->process ? describe_exec(process) : NULL;
        g_ptr_array_add(infos, info);
    }
    response.n_processes = infos->len;
    response.processes = (Containerd__V1__Types__ProcessInfo **) infos->pdata;
    coco_task_op_reply(op, &response.base);
}

/* Never fails: containerd asks for pods and after restarts, before it knows what there is. */
static void
handle_connect(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__ConnectRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    Containerd__Task__V2__ConnectResponse response = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;

    response.shim_pid = (uint32_t) getpid();
    if (coco_pod_find(pod, request->id) != NULL)
        response.task_pid = (uint32_t) coco_pod_vm_pid(coco_pod_vm(pod));
    coco_ttrpc_call_reply(call, &response.base);
}

static void
handle_wait(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__WaitRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoContainer *container = coco_pod_find(pod, request->id);
    CocoProcess *process =
        container != NULL ? coco_container_find(container, request->exec_id) : NULL;

    if (container == NULL)
        coco_ttrpc_call_fail(call, COCO_TTRPC_NOT_FOUND, "container not created: not found");
    else if (process == NULL)
        coco_ttrpc_call_fail(call, COCO_TTRPC_NOT_FOUND, "process does not exist %s: not found",
                             request->exec_id);
    else
        coco_process_wait(process, call);
}

static void
handle_close_io(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__CloseIORequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, request->exec_id);

    if (op == NULL)
        return;
    if (request->stdin)
        coco_stdio_close_input(coco_process_stdio(op->process));
    coco_task_op_reply(op, NULL);
}

static void
handle_shutdown(CocoTtrpcCall *call, void *pod)
{
    coco_ttrpc_call_reply(call, NULL);
    coco_pod_shutdown(pod, false);
}

static void
handle_checkpoint(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__CheckpointTaskRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, "");
    g_autoptr(GError) error = g_error_new_literal(
        COCO_TTRPC_ERROR, COCO_TTRPC_UNIMPLEMENTED,
        "checkpoint: a confidential VM cannot be checkpointed by its host: not implemented");

    if (op != NULL)
        coco_task_op_fail(op, error);
}

#define METHOD(name, Type, handler)                                                                \
    {                                                                                              \
        name, &containerd__task__v2__##Type##__descriptor, handler                                 \
    }

/* clang-format off */
static const CocoTtrpcMethod methods[] = {
    METHOD("State", state_request, handle_state),
    METHOD("Create", create_task_request, coco_task_create),
    METHOD("Start", start_request, coco_task_start),
    METHOD("Delete", delete_request, coco_task_delete),
    METHOD("Pids", pids_request, handle_pids),
    METHOD("Pause", pause_request, coco_task_pause),
    METHOD("Resume", resume_request, coco_task_resume),
    METHOD("Checkpoint", checkpoint_task_request, handle_checkpoint),
    METHOD("Kill", kill_request, coco_task_kill),
    METHOD("Exec", exec_process_request, coco_task_exec),
    METHOD("ResizePty", resize_pty_request, coco_task_resize_pty),
    METHOD("CloseIO", close_iorequest, handle_close_io),
    METHOD("Update", update_task_request, coco_task_update),
    METHOD("Wait", wait_request, handle_wait),
    METHOD("Stats", stats_request, coco_task_stats),
    METHOD("Connect", connect_request, handle_connect),
    METHOD("Shutdown", shutdown_request, handle_shutdown),
};
/* clang-format on */

const CocoTtrpcService coco_task_services[COCO_N_TASK_SERVICES] = {
    { .name = "containerd.task.v2.Task", .methods = methods, .n_methods = G_N_ELEMENTS(methods) },
    { .name = "containerd.task.v3.Task", .methods = methods, .n_methods = G_N_ELEMENTS(methods) },
};

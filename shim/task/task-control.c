// SPDX-License-Identifier: Apache-2.0
/*
 * What is asked of a container while it lives: signals, pause, terminal size, resources,
 * statistics.
 */
#include <signal.h>

#include "guest-protocol/oci/oci-json.h"
#include "shim/metrics/metrics.h"
#include "shim/pod/guest-spec.h"
#include "shim/pod/kill-promise.h"
#include "shim/task/task-op.h"
#include "shim/task/task-service.h"

#define CALL_TIMEOUT_S 60
#define SIGNAL_TIMEOUT_S 3 /* to say that it has the signal */
#define STATS_TIMEOUT_S 1  /* containerd asks all containers of the node, one after the other */
#define MAX_SIGNAL 64

static void
fail_literal(CocoTaskOp *op, CocoTtrpcCode code, const char *message)
{
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, (int) code, message);

    coco_task_op_fail(op, error);
}

static bool
is_kill_of_container(const CocoTaskOp *op)
{
    const Containerd__Task__V2__KillRequest *request =
        (const void *) coco_ttrpc_call_get_request(op->call);

    return request->signal == SIGKILL && request->exec_id[0] == '\0';
}

/* A guest that is silent has the signal to come; that is no error, since a caller that gets one for
 * its SIGTERM never sends SIGKILL. Nor is anything that a guest says to the SIGKILL of a container:
 * it ends, with its VM if need be. */
static void
on_killed(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    CocoTaskOp *op = user_data;

    if (reply != NULL) {
        coco_task_op_reply(op, NULL);
    } else if (error->code == COCO_TTRPC_NOT_FOUND || !coco_pod_vm_is_ready(coco_pod_vm(op->pod))) {
        fail_literal(op, COCO_TTRPC_NOT_FOUND, "process already finished: not found");
    } else if (error->code == COCO_TTRPC_DEADLINE_EXCEEDED || is_kill_of_container(op)) {
        g_message("signal to %s/%s: %s", coco_container_id(op->container),
                  coco_process_exec_id(op->process), error->message);
        coco_task_op_reply(op, NULL);
    } else {
        coco_task_op_fail(op, error);
    }
}

/* The first process is meant by an empty exec id: with SIGKILL the agent then ends the whole
 * container. */
static void
send_signal(CocoTaskOp *op, const Containerd__Task__V2__KillRequest *request)
{
    const CocoAgentProcess in_guest = { request->id, request->exec_id };
    CocoAgentCall call;

    if (is_kill_of_container(op))
        coco_kill_promise_make(op->pod, op->container);
    call = coco_pod_call_of_silent_agent(op->pod, SIGNAL_TIMEOUT_S, on_killed, op);
    coco_agent_signal_process(&call, &in_guest, request->signal);
}

void
coco_task_kill(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__KillRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, request->exec_id);

    if (op == NULL)
        return;
    if (coco_process_state(op->process) == COCO_PROCESS_STOPPED && !request->all) {
        fail_literal(op, COCO_TTRPC_NOT_FOUND, "process already finished: not found");
    } else if (coco_process_state(op->process) == COCO_PROCESS_STOPPED) {
        coco_task_op_reply(op, NULL); /* all that is left is nothing */
    } else if (!coco_container_is_created(op->container) ||
               (request->exec_id[0] != '\0' &&
                coco_process_state(op->process) == COCO_PROCESS_CREATED)) {
        fail_literal(op, COCO_TTRPC_FAILED_PRECONDITION,
                     "process not created: failed precondition");
    } else if (request->signal == 0) {
        coco_task_op_reply(op, NULL); /* is it there? */
    } else if (request->signal > MAX_SIGNAL) {
        fail_literal(op, COCO_TTRPC_INVALID_ARGUMENT, "no such signal: invalid argument");
    } else {
        send_signal(op, request);
    }
}

static void
publish_paused(const CocoTaskOp *op, bool paused)
{
    Containerd__Events__TaskPaused paused_event = CONTAINERD__EVENTS__TASK_PAUSED__INIT;
    Containerd__Events__TaskResumed resumed_event = CONTAINERD__EVENTS__TASK_RESUMED__INIT;

    paused_event.container_id = (char *) coco_container_id(op->container);
    resumed_event.container_id = paused_event.container_id;
    coco_pod_publish(op->pod, paused ? "/tasks/paused" : "/tasks/resumed",
                     paused ? &paused_event.base : &resumed_event.base);
}

static void
take_pause_answer(CocoTaskOp *op, GAsyncResult *result, bool paused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    if (reply == NULL) {
        coco_task_op_fail(op, error);
        return;
    }
    coco_container_set_paused(op->container, paused);
    publish_paused(op, paused);
    coco_task_op_reply(op, NULL);
}

static void
on_paused(GObject *source, GAsyncResult *result, void *op)
{
    take_pause_answer(op, result, true);
}

static void
on_resumed(GObject *source, GAsyncResult *result, void *op)
{
    take_pause_answer(op, result, false);
}

void
coco_task_pause(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__PauseRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, "");
    CocoAgentCall pause;

    if (op == NULL)
        return;
    if (coco_task_op_status(op) == CONTAINERD__V1__TYPES__STATUS__CREATED) {
        fail_literal(op, COCO_TTRPC_UNKNOWN, "cannot pause task in created state");
    } else if (coco_task_op_status(op) != CONTAINERD__V1__TYPES__STATUS__RUNNING) {
        coco_task_op_refuse(op, "pause", "container");
    } else {
        pause = coco_pod_call_of_agent(op->pod, CALL_TIMEOUT_S, on_paused, op);
        coco_agent_pause_container(&pause, request->id);
    }
}

void
coco_task_resume(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__ResumeRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, "");
    CocoAgentCall resume;

    if (op == NULL)
        return;
    if (coco_task_op_status(op) == CONTAINERD__V1__TYPES__STATUS__CREATED) {
        fail_literal(op, COCO_TTRPC_UNKNOWN, "cannot resume task in created state");
    } else if (coco_task_op_status(op) == CONTAINERD__V1__TYPES__STATUS__RUNNING) {
        coco_task_op_refuse(op, "resume", "process");
    } else if (coco_task_op_status(op) != CONTAINERD__V1__TYPES__STATUS__PAUSED) {
        coco_task_op_refuse(op, "resume", "container");
    } else {
        resume = coco_pod_call_of_agent(op->pod, CALL_TIMEOUT_S, on_resumed, op);
        coco_agent_resume_container(&resume, request->id);
    }
}

static void
call_resize(CocoPod *pod, const CocoProcess *process, GAsyncReadyCallback callback, void *user_data)
{
    CocoAgentCall call = coco_pod_call_of_agent(pod, CALL_TIMEOUT_S, callback, user_data);
    CocoWindowSize size = coco_process_window(process);
    const CocoAgentProcess in_guest = { coco_process_container_id(process),
                                        coco_process_agent_id(process) };

    coco_agent_resize(&call, &in_guest, size.rows, size.columns);
}

static void
on_resized(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    if (reply == NULL)
        g_debug("set size of terminal: %s", error->message);
}

void
coco_task_apply_window(CocoPod *pod, const CocoProcess *process)
{
    CocoWindowSize size = coco_process_window(process);

    if (coco_process_terminal(process) && size.rows != 0 && size.columns != 0)
        call_resize(pod, process, on_resized, NULL);
}

/* Without a terminal, or before there is one, it is no error: clients send the size whenever theirs
 * changes. */
void
coco_task_resize_pty(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__ResizePtyRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, request->exec_id);
    bool is_exec;

    if (op == NULL)
        return;
    is_exec = request->exec_id[0] != '\0';
    if (coco_process_state(op->process) == COCO_PROCESS_STOPPED && is_exec) {
        coco_task_op_refuse(op, "resize", "container");
        return;
    }
    coco_process_set_window(op->process, (CocoWindowSize){ request->height, request->width });
    if (!coco_process_terminal(op->process) ||
        coco_process_state(op->process) == COCO_PROCESS_STOPPED ||
        (is_exec && coco_process_state(op->process) != COCO_PROCESS_RUNNING))
        coco_task_op_reply(op, NULL);
    else
        call_resize(pod, op->process, coco_task_op_on_empty, op);
}

void
coco_task_update(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__UpdateTaskRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, "");
    CocoAgentCall update;
    g_autoptr(Grpc__LinuxResources) resources = NULL;
    g_autoptr(GError) error = NULL;

    if (op == NULL)
        return;
    if (coco_process_state(op->process) == COCO_PROCESS_STOPPED) {
        coco_task_op_refuse(op, "update", "container");
        return;
    }
    if (request->resources == NULL) {
        fail_literal(op, COCO_TTRPC_INVALID_ARGUMENT, "update: no resources: invalid argument");
        return;
    }
    resources = coco_oci_resources_from_json((const char *) request->resources->value.data,
                                             request->resources->value.len, &error);
    if (resources == NULL) {
        g_prefix_error(&error, "update: ");
        coco_task_op_fail(op, error);
        return;
    }
    coco_guest_resources_adapt(resources);
    update = coco_pod_call_of_agent(op->pod, CALL_TIMEOUT_S, coco_task_op_on_empty, op);
    coco_agent_update_container(&update, request->id, resources);
}

static void
on_stats(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    Containerd__Task__V2__StatsResponse response = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
    Google__Protobuf__Any *stats = NULL;
    CocoTaskOp *op = user_data;

    if (reply == NULL || !coco_metrics_pack((const Grpc__StatsContainerResponse *) reply,
                                            coco_metrics_host_version(), &stats, &error)) {
        coco_task_op_fail(op, error);
        return;
    }
    response.stats = stats;
    coco_task_op_reply(op, &response.base);
    coco_pb_free(&stats->base);
}

void
coco_task_stats(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__StatsRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, "");
    CocoAgentCall stats;

    if (op == NULL)
        return;
    stats = coco_pod_call_of_agent(op->pod, STATS_TIMEOUT_S, on_stats, op);
    coco_agent_stats_container(&stats, request->id);
}

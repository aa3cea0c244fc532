// SPDX-License-Identifier: Apache-2.0
/*
 * Start of a container's first process and of execs, and the watch for their end in the guest.
 */
#include <string.h>

#include "guest-protocol/oci/oci-json.h"
#include "shim/host/identifier.h"
#include "shim/pod/guest-spec.h"
#include "shim/task/task-op.h"
#include "shim/task/task-service.h"

/* More than the guest's own limit, 120 s for crun (guest/container/crun.c): what is slow is ended
 * there, with its reason, and not given up here while it goes on there. */
#define START_TIMEOUT_S 130
#define STATUS_UNKNOWN 255   /* the guest could not say */
#define STATUS_NOT_FOUND 127 /* as a shell reports a missing command */
#define STATUS_NOT_STARTED 126

typedef struct {
    CocoPod *pod;
    CocoContainer *container;
    CocoProcess *process;
    uint32_t status;
} ExitWatch;

static void
on_start_told(void *user_data)
{
    g_autofree ExitWatch *watch = user_data;
    g_autoptr(CocoContainer) container = watch->container;
    g_autoptr(CocoProcess) process = watch->process;

    coco_pod_process_exited(watch->pod, container, process, watch->status);
}

static void
on_settled(void *user_data)
{
    const ExitWatch *watch = user_data;

    coco_process_when_start_told(watch->process, on_start_told, user_data);
}

static void
on_process_exit(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    ExitWatch *watch = user_data;

    if (reply != NULL) {
        watch->status = (uint32_t) ((Grpc__WaitProcessResponse *) reply)->status;
    } else if (coco_pod_vm_is_ready(coco_pod_vm(watch->pod)) &&
               coco_process_state(watch->process) == COCO_PROCESS_RUNNING) {
        watch->status = STATUS_UNKNOWN;
        g_warning("wait for %s/%s in the guest: %s", coco_process_container_id(watch->process),
                  coco_process_exec_id(watch->process), error->message);
    } else {
        /* The VM is going and reports for all (pod.c). */
        coco_container_unref(watch->container);
        coco_process_unref(watch->process);
        g_free(watch);
        return;
    }
    if (watch->process == coco_container_init(watch->container))
        coco_container_exit_told(watch->container);
    coco_stdio_end_input(coco_process_stdio(watch->process));
    coco_stdio_settle(coco_process_stdio(watch->process), on_settled, watch);
}

void
coco_task_watch_exit(CocoPod *pod, CocoContainer *container, CocoProcess *process)
{
    ExitWatch *watch = g_new0(ExitWatch, 1);
    CocoAgentCall call = coco_pod_call_of_agent(pod, 0, on_process_exit, watch);
    const CocoAgentProcess in_guest = { coco_container_id(container),
                                        coco_process_agent_id(process) };

    watch->pod = pod;
    watch->container = coco_container_ref(container);
    watch->process = coco_process_ref(process);
    coco_agent_wait_process(&call, &in_guest);
}

/* Clients look for the words of a runtime, and take NOT_FOUND for a task that is not there. */
static void
report_failed_start(CocoTaskOp *op, const GError *error)
{
    bool by_runtime = error->code != COCO_TTRPC_UNAVAILABLE &&
                      error->code != COCO_TTRPC_CANCELLED &&
                      error->code != COCO_TTRPC_DEADLINE_EXCEEDED;
    g_autoptr(GError) report =
        g_error_new(COCO_TTRPC_ERROR, by_runtime ? COCO_TTRPC_UNKNOWN : error->code,
                    "OCI runtime %s failed: unable to start container process: %s",
                    coco_process_exec_id(op->process)[0] != '\0' ? "exec failed: exec" : "start",
                    error->message);

    coco_task_op_fail(op, report);
}

static void
fail_start(CocoTaskOp *op, const GError *error)
{
    bool missing = strstr(error->message, "not found") != NULL ||
                   strstr(error->message, "No such file or directory") != NULL;

    (void) coco_process_stop(op->process, COCO_PROCESS_EV_START_FAILED,
                             missing ? STATUS_NOT_FOUND : STATUS_NOT_STARTED);
    coco_process_stop_stdio(op->process);
    report_failed_start(op, error);
}

static void
reply_started(CocoTaskOp *op)
{
    Containerd__Task__V2__StartResponse response = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

    response.pid = coco_task_op_pid(op);
    coco_task_op_reply(op, &response.base);
}

/* Its container, or the VM, may have ended meanwhile. */
static bool
is_still_starting(const CocoTaskOp *op, GError **error)
{
    if (coco_process_state(op->process) == COCO_PROCESS_STARTING)
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, "container %s has ended",
                coco_container_id(op->container));
    return false;
}

static void
on_started(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    Containerd__Events__TaskStart event = CONTAINERD__EVENTS__TASK_START__INIT;
    CocoTaskOp *op = user_data;

    if (reply == NULL || !is_still_starting(op, &error)) {
        fail_start(op, error);
        return;
    }
    event.container_id = (char *) coco_container_id(op->container);
    event.pid = coco_task_op_pid(op);
    coco_pod_publish(op->pod, "/tasks/start", &event.base);
    (void) coco_process_step(op->process, COCO_PROCESS_EV_STARTED);
    coco_stdio_open_input(coco_process_stdio(op->process));
    coco_process_start_told(op->process);
    reply_started(op);
}

static void
on_exec_started(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    Containerd__Events__TaskExecStarted event = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;
    CocoTaskOp *op = user_data;

    if (reply == NULL || !is_still_starting(op, &error)) {
        fail_start(op, error);
        return;
    }
    event.container_id = (char *) coco_container_id(op->container);
    event.exec_id = (char *) coco_process_exec_id(op->process);
    event.pid = coco_task_op_pid(op);
    coco_pod_publish(op->pod, "/tasks/exec-started", &event.base);
    (void) coco_process_step(op->process, COCO_PROCESS_EV_STARTED);
    coco_process_start_stdio(op->process, coco_pod_vm_agent(coco_pod_vm(op->pod)));
    coco_stdio_open_input(coco_process_stdio(op->process));
    coco_task_apply_window(op->pod, op->process);
    coco_task_watch_exit(op->pod, op->container, op->process);
    reply_started(op);
}

static void
start_container(CocoTaskOp *op)
{
    CocoAgentCall call = coco_pod_call_of_agent(op->pod, START_TIMEOUT_S, on_started, op);

    coco_agent_start_container(&call, coco_container_id(op->container));
}

static void
on_network_taken(const GError *error, void *user_data)
{
    CocoTaskOp *op = user_data;
    g_autoptr(GError) ended = NULL;

    if (error != NULL || !is_still_starting(op, &ended))
        fail_start(op, error != NULL ? error : ended);
    else
        start_container(op);
}

static void
start_exec(CocoTaskOp *op)
{
    g_autoptr(Grpc__Process) spec = coco_process_steal_spec(op->process);
    CocoAgentCall call = coco_pod_call_of_agent(op->pod, START_TIMEOUT_S, on_exec_started, op);
    const CocoAgentProcess in_guest = { coco_container_id(op->container),
                                        coco_process_exec_id(op->process) };

    coco_agent_exec_process(&call, &in_guest, spec);
}

static void
on_exec_stdio_opened(const GError *error, void *user_data)
{
    CocoTaskOp *op = user_data;

    if (error != NULL)
        fail_start(op, error);
    else
        start_exec(op);
}

/* An exec may come before the start of the container: its first process waits in the guest. */
static bool
may_start_exec(const CocoContainer *container, GError **error)
{
    if (coco_process_state(coco_container_init(container)) == COCO_PROCESS_STOPPED)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "container %s init process is not running", coco_container_id(container));
    else if (coco_container_is_paused(container))
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN,
                    "OCI runtime exec failed: exec failed: cannot exec in a paused container");
    else
        return true;
    return false;
}

void
coco_task_start(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__StartRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, request->exec_id);
    g_autoptr(GError) error = NULL;
    bool is_exec;

    if (op == NULL)
        return; /* answered, and the request is gone with the call */
    is_exec = request->exec_id[0] != '\0';
    if (coco_process_state(op->process) == COCO_PROCESS_CREATED && is_exec &&
        !may_start_exec(op->container, &error))
        coco_task_op_fail(op, error);
    else if (!coco_container_is_created(op->container) ||
             !coco_process_step(op->process, COCO_PROCESS_EV_START))
        coco_task_op_refuse(op, "start", "process");
    else if (is_exec)
        coco_stdio_open(coco_process_stdio(op->process), on_exec_stdio_opened, op);
    else
        coco_late_network_take(coco_pod_late_network(pod), on_network_taken, op);
}

static bool
may_exec(const CocoContainer *container, const Containerd__Task__V2__ExecProcessRequest *request,
         GError **error)
{
    if (!coco_identifier_is_valid(request->exec_id))
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "exec id '%s' is not valid", request->exec_id);
    else if (coco_container_find(container, request->exec_id) != NULL)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_ALREADY_EXISTS, "id %s: already exists",
                    request->exec_id);
    else if (coco_container_is_paused(container))
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, "cannot exec in a paused state");
    else if (coco_process_state(coco_container_init(container)) == COCO_PROCESS_STOPPED)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, "cannot exec in a stopped state");
    else if (coco_container_count_processes(container) > COCO_CONTAINER_MAX_EXECS)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "container %s has %d execs that were not deleted", request->id,
                    COCO_CONTAINER_MAX_EXECS);
    else
        return true;
    return false;
}

static CocoProcess *
new_exec(const CocoPod *pod, const Containerd__Task__V2__ExecProcessRequest *request,
         GError **error)
{
    CocoProcessConfig config = {
        .container_id = request->id,
        .exec_id = request->exec_id,
        .ns = coco_pod_namespace(pod),
        .signals = coco_pod_signals(pod),
        .in = request->stdin,
        .out = request->stdout,
        .err = request->stderr,
        .terminal = request->terminal,
    };
    g_autoptr(Grpc__Process) spec = NULL;
    CocoProcess *exec;

    if (request->spec == NULL) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "exec %s: no process spec", request->exec_id);
        return NULL;
    }
    spec = coco_oci_process_from_json((const char *) request->spec->value.data,
                                      request->spec->value.len, error);
    if (spec == NULL) {
        g_prefix_error(error, "exec %s: ", request->exec_id);
        return NULL;
    }
    exec = coco_process_new(&config);
    coco_guest_process_adapt(spec);
    spec->terminal = request->terminal;
    coco_process_set_spec(exec, g_steal_pointer(&spec));
    return exec;
}

void
coco_task_exec(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__ExecProcessRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, "");
    Containerd__Events__TaskExecAdded event = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;
    g_autoptr(GError) error = NULL;
    CocoProcess *exec;

    if (op == NULL)
        return;
    exec = may_exec(op->container, request, &error) ? new_exec(pod, request, &error) : NULL;
    if (exec == NULL) {
        coco_task_op_fail(op, error);
        return;
    }
    coco_container_add_exec(op->container, exec);
    event.container_id = request->id;
    event.exec_id = request->exec_id;
    coco_pod_publish(pod, "/tasks/exec-added", &event.base);
    coco_task_op_reply(op, NULL);
}

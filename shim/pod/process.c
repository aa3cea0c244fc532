// SPDX-License-Identifier: Apache-2.0
/*
 * State and exit of one process. Waiters are held ttrpc calls: containerd waits for the whole life
 * of a task on the connection that carries its other calls.
 */
#include "shim/pod/process.h"

#include "guest-protocol/proto/task-pb.h"
#include "shim/host/timestamp.h"
#include "shim/host/waiters.h"

typedef struct {
    const CocoProcess *process;
    CocoTtrpcCall *call;
} Wait;

struct _CocoProcess {
    char *container_id;
    char *exec_id;
    char *in;
    char *out;
    char *err;
    bool terminal;
    CocoWindowSize window;
    CocoStdio *stdio;
    Grpc__Process *spec;
    CocoProcessState state;
    uint32_t exit_status;
    int64_t exited_at;
    CocoWaiters *waiters; /* for its exit */
    bool deleting;
    CocoProcessDrainedFunc on_drained;
    void *on_drained_data;
    CocoProcessStartToldFunc on_start_told;
    void *on_start_told_data;
};

CocoProcess *
coco_process_new(const CocoProcessConfig *config)
{
    CocoStdioConfig stdio_config = {
        .container_id = config->container_id,
        .exec_id = config->exec_id[0] != '\0' ? config->exec_id : config->container_id,
        .ns = config->ns,
        .signals = config->signals,
        .in = config->in,
        .out = config->out,
        .err = config->err,
        .terminal = config->terminal,
    };
    CocoProcess *process = g_rc_box_new0(CocoProcess);

    process->container_id = g_strdup(config->container_id);
    process->exec_id = g_strdup(config->exec_id);
    process->in = g_strdup(config->in);
    process->out = g_strdup(config->out);
    process->err = g_strdup(config->err);
    process->terminal = config->terminal;
    process->stdio = coco_stdio_new(&stdio_config);
    process->state = COCO_PROCESS_CREATED;
    process->waiters = coco_waiters_new();
    return process;
}

void
coco_process_set_spec(CocoProcess *process, Grpc__Process *spec)
{
    if (process->spec != NULL)
        grpc__process__free_unpacked(process->spec, NULL);
    process->spec = spec;
}

Grpc__Process *
coco_process_steal_spec(CocoProcess *process)
{
    return g_steal_pointer(&process->spec);
}

static void
clear(void *data)
{
    CocoProcess *process = data;
    g_autoptr(GError) deleted = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND,
                                                    "the process was deleted: not found");

    coco_stdio_stop(process->stdio);
    coco_stdio_unref(process->stdio);
    coco_waiters_tell(process->waiters, deleted);
    coco_waiters_free(process->waiters);
    coco_process_set_spec(process, NULL);
    g_free(process->container_id);
    g_free(process->exec_id);
    g_free(process->in);
    g_free(process->out);
    g_free(process->err);
}

CocoProcess *
coco_process_ref(CocoProcess *process)
{
    return g_rc_box_acquire(process);
}

void
coco_process_unref(CocoProcess *process)
{
    if (process != NULL)
        g_rc_box_release_full(process, clear);
}

const char *
coco_process_container_id(const CocoProcess *process)
{
    return process->container_id;
}

const char *
coco_process_exec_id(const CocoProcess *process)
{
    return process->exec_id;
}

const char *
coco_process_agent_id(const CocoProcess *process)
{
    return process->exec_id[0] != '\0' ? process->exec_id : process->container_id;
}

const char *
coco_process_in(const CocoProcess *process)
{
    return process->in;
}

const char *
coco_process_out(const CocoProcess *process)
{
    return process->out;
}

const char *
coco_process_err(const CocoProcess *process)
{
    return process->err;
}

bool
coco_process_terminal(const CocoProcess *process)
{
    return process->terminal;
}

CocoWindowSize
coco_process_window(const CocoProcess *process)
{
    return process->window;
}

void
coco_process_set_window(CocoProcess *process, CocoWindowSize size)
{
    process->window = size;
}

CocoStdio *
coco_process_stdio(const CocoProcess *process)
{
    return process->stdio;
}

CocoProcessState
coco_process_state(const CocoProcess *process)
{
    return process->state;
}

uint32_t
coco_process_exit_status(const CocoProcess *process)
{
    return process->exit_status;
}

int64_t
coco_process_exited_at(const CocoProcess *process)
{
    return process->exited_at;
}

bool
coco_process_step(CocoProcess *process, CocoProcessEvent event)
{
    g_autofree char *id = g_strdup_printf("%s/%s", process->container_id, process->exec_id);
    CocoProcessState to =
        (CocoProcessState) coco_fsm_step(&coco_process_fsm, id, process->state, event);

    if (to != COCO_PROCESS_INVALID)
        process->state = to;
    return to != COCO_PROCESS_INVALID;
}

static void
answer_wait(const CocoProcess *process, CocoTtrpcCall *call)
{
    Containerd__Task__V2__WaitResponse response = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
    Google__Protobuf__Timestamp exited_at;

    coco_timestamp_set(&exited_at, process->exited_at);
    response.exit_status = process->exit_status;
    response.exited_at = &exited_at;
    coco_ttrpc_call_reply(call, &response.base);
}

void
coco_process_start_told(CocoProcess *process)
{
    CocoProcessStartToldFunc func = process->on_start_told;

    process->on_start_told = NULL;
    if (func != NULL)
        func(process->on_start_told_data);
}

void
coco_process_when_start_told(CocoProcess *process, CocoProcessStartToldFunc func, void *user_data)
{
    process->on_start_told = func;
    process->on_start_told_data = user_data;
    if (process->state != COCO_PROCESS_STARTING)
        coco_process_start_told(process);
}

bool
coco_process_stop(CocoProcess *process, CocoProcessEvent event, uint32_t exit_status)
{
    if (!coco_process_step(process, event))
        return false;
    process->exit_status = exit_status;
    process->exited_at = g_get_real_time();
    coco_stdio_end_input(process->stdio);
    coco_waiters_tell(process->waiters, NULL);
    coco_process_start_told(process);
    return true;
}

static void
on_waited(const GError *error, void *user_data)
{
    g_autofree Wait *wait = user_data;

    if (error != NULL)
        coco_ttrpc_call_fail_error(wait->call, error);
    else
        answer_wait(wait->process, wait->call);
}

void
coco_process_wait(CocoProcess *process, CocoTtrpcCall *call)
{
    Wait *wait;

    if (process->state == COCO_PROCESS_STOPPED) {
        answer_wait(process, call);
        return;
    }
    wait = g_new(Wait, 1);
    *wait = (Wait){ .process = process, .call = call };
    /* Its deadline may pass, or its connection go: that holds so many calls and no more. */
    coco_waiters_add(process->waiters, coco_ttrpc_call_get_cancellable(call), on_waited, wait);
}

static void
report_drained(CocoProcess *process)
{
    CocoProcessDrainedFunc func = process->on_drained;

    process->on_drained = NULL;
    if (func != NULL)
        func(process, process->on_drained_data);
}

static void
on_stdio_drained(void *user_data)
{
    report_drained(user_data);
}

bool
coco_process_begin_delete(CocoProcess *process)
{
    bool first = !process->deleting;

    process->deleting = true;
    return first;
}

void
coco_process_when_drained(CocoProcess *process, CocoProcessDrainedFunc func, void *user_data)
{
    process->on_drained = func;
    process->on_drained_data = user_data;
    if (coco_stdio_is_drained(process->stdio))
        report_drained(process);
}

void
coco_process_start_stdio(CocoProcess *process, CocoTtrpcClient *agent)
{
    coco_stdio_start(process->stdio, agent, on_stdio_drained, process);
}

void
coco_process_finish_stdio(CocoProcess *process)
{
    coco_stdio_finish(process->stdio);
    coco_process_when_drained(process, process->on_drained, process->on_drained_data);
}

void
coco_process_stop_stdio(CocoProcess *process)
{
    coco_stdio_stop(process->stdio);
    report_drained(process);
}

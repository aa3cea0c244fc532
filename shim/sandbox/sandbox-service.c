// SPDX-License-Identifier: Apache-2.0
/*
 * The method table of the Sandbox service: unpack, one call of the sandbox, pack.
 */
#include "shim/sandbox/sandbox-service.h"

#include <string.h>
#include <sys/utsname.h>

#include "guest-protocol/agent/agent-call.h"
#include "guest-protocol/proto/agent-pb.h"
#include "shim/host/timestamp.h"
#include "shim/metrics/metrics.h"
#include "shim/sandbox/pod-sandbox.h"
#include "shim/vm/vm-usage.h"

#define PING_TIMEOUT_US 5000000

/* A call that is answered later. */
typedef struct {
    CocoPodSandbox *sandbox;
    CocoTtrpcCall *call;
} Op;

static Op *
op_new(CocoPodSandbox *sandbox, CocoTtrpcCall *call)
{
    Op *op = g_new(Op, 1);

    *op = (Op){ .sandbox = sandbox, .call = call };
    return op;
}

/* Every request has the sandbox's id as its first field; a shim serves one sandbox. When it is
 * another the call is answered, and is not the caller's any more. */
static bool
is_of_sandbox(const CocoPodSandbox *sandbox, CocoTtrpcCall *call, const char *id)
{
    if (strcmp(id, coco_pod_id(coco_pod_sandbox_pod(sandbox))) == 0)
        return true;
    coco_ttrpc_call_fail(call, COCO_TTRPC_NOT_FOUND, "sandbox %s: not found", id);
    return false;
}

static uint32_t
pid_of(const CocoPodSandbox *sandbox)
{
    return (uint32_t) coco_pod_vm_pid(coco_pod_vm(coco_pod_sandbox_pod(sandbox)));
}

static void
on_empty_done(const GError *error, void *user_data)
{
    g_autofree Op *op = user_data;

    if (error != NULL)
        coco_ttrpc_call_fail_error(op->call, error);
    else
        coco_ttrpc_call_reply(op->call, NULL);
}

static void
handle_create(CocoTtrpcCall *call, void *sandbox)
{
    const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;

    /* One that exists is told first, as containerd's clients expect. */
    if (coco_pod_sandbox_state(sandbox) == COCO_SANDBOX_NEW &&
        !is_of_sandbox(sandbox, call, request->sandbox_id))
        return;
    (void) coco_pod_sandbox_create(sandbox, request, &error);
    on_empty_done(error, op_new(sandbox, call));
}

static void
on_started(const GError *error, void *user_data)
{
    g_autofree Op *op = user_data;
    Containerd__Runtime__Sandbox__V1__StartSandboxResponse response =
        CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_RESPONSE__INIT;
    Google__Protobuf__Timestamp created_at;

    if (error != NULL) {
        coco_ttrpc_call_fail_error(op->call, error);
        return;
    }
    coco_timestamp_set(&created_at, coco_pod_sandbox_created_at(op->sandbox));
    response.pid = pid_of(op->sandbox);
    response.created_at = &created_at;
    coco_ttrpc_call_reply(op->call, &response.base);
}

static void
handle_start(CocoTtrpcCall *call, void *sandbox)
{
    const Containerd__Runtime__Sandbox__V1__StartSandboxRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);

    if (is_of_sandbox(sandbox, call, request->sandbox_id))
        coco_pod_sandbox_start(sandbox, on_started, op_new(sandbox, call));
}

/* The guest's kernel is of the host's architecture. */
static void
handle_platform(CocoTtrpcCall *call, void *sandbox)
{
    static const struct {
        const char *machine;
        const char *go;
    } names[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "s390x", "s390x" } };
    const Containerd__Runtime__Sandbox__V1__PlatformRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    Containerd__Runtime__Sandbox__V1__PlatformResponse response =
        CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_RESPONSE__INIT;
    Containerd__Types__Platform platform = CONTAINERD__TYPES__PLATFORM__INIT;
    struct utsname host;

    if (!is_of_sandbox(sandbox, call, request->sandbox_id))
        return;
    (void) uname(&host);
    platform.os = (char *) "linux";
    platform.architecture = host.machine;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(host.machine, names[i].machine) == 0)
            platform.architecture = (char *) names[i].go;
    }
    response.platform = &platform;
    coco_ttrpc_call_reply(call, &response.base);
}

static void
handle_stop(CocoTtrpcCall *call, void *sandbox)
{
    const Containerd__Runtime__Sandbox__V1__StopSandboxRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);

    if (is_of_sandbox(sandbox, call, request->sandbox_id))
        coco_pod_sandbox_stop(sandbox, coco_ttrpc_call_get_cancellable(call), on_empty_done,
                              op_new(sandbox, call));
}

static void
on_ended(const GError *error, void *user_data)
{
    g_autofree Op *op = user_data;
    Containerd__Runtime__Sandbox__V1__WaitSandboxResponse response =
        CONTAINERD__RUNTIME__SANDBOX__V1__WAIT_SANDBOX_RESPONSE__INIT;
    Google__Protobuf__Timestamp exited_at;

    if (error != NULL) {
        coco_ttrpc_call_fail_error(op->call, error);
        return;
    }
    coco_timestamp_set(&exited_at, coco_pod_sandbox_exited_at(op->sandbox));
    response.exit_status = coco_pod_sandbox_exit_status(op->sandbox);
    response.exited_at = &exited_at;
    coco_ttrpc_call_reply(op->call, &response.base);
}

static void
handle_wait(CocoTtrpcCall *call, void *sandbox)
{
    const Containerd__Runtime__Sandbox__V1__WaitSandboxRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);

    if (is_of_sandbox(sandbox, call, request->sandbox_id))
        coco_pod_sandbox_wait(sandbox, coco_ttrpc_call_get_cancellable(call), on_ended,
                              op_new(sandbox, call));
}

static void
reply_status(const CocoPodSandbox *sandbox, CocoTtrpcCall *call, bool verbose)
{
    typedef Containerd__Runtime__Sandbox__V1__SandboxStatusResponse__InfoEntry InfoEntry;
    CocoSandboxState state = coco_pod_sandbox_state(sandbox);
    const char *netns = coco_pod_sandbox_netns(sandbox);
    g_autofree char *pid = g_strdup_printf("%u", pid_of(sandbox));
    Containerd__Runtime__Sandbox__V1__SandboxStatusResponse response =
        CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INIT;
    Google__Protobuf__Timestamp created_at;
    Google__Protobuf__Timestamp exited_at;
    const char *const values[][2] = { { "pid", pid },
                                      { "state", coco_fsm_state_name(&coco_sandbox_fsm, state) },
                                      { "networkSandboxPath", netns } };
    InfoEntry entries[G_N_ELEMENTS(values)];
    InfoEntry *info[G_N_ELEMENTS(values)];

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        containerd__runtime__sandbox__v1__sandbox_status_response__info_entry__init(&entries[i]);
        entries[i].key = (char *) values[i][0];
        entries[i].value = (char *) values[i][1];
        info[i] = &entries[i];
    }
    coco_timestamp_set(&created_at, coco_pod_sandbox_created_at(sandbox));
    coco_timestamp_set(&exited_at, coco_pod_sandbox_exited_at(sandbox));
    response.sandbox_id = (char *) coco_pod_id(coco_pod_sandbox_pod(sandbox));
    response.pid = pid_of(sandbox);
    response.state = (char *) (state == COCO_SANDBOX_READY ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
    response.created_at = &created_at;
    response.exited_at = &exited_at;
    response.info = info;
    response.n_info = verbose ? G_N_ELEMENTS(values) - (netns[0] == '\0' ? 1 : 0) : 0;
    coco_ttrpc_call_reply(call, &response.base);
}

static void
handle_status(CocoTtrpcCall *call, void *sandbox)
{
    const Containerd__Runtime__Sandbox__V1__SandboxStatusRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);

    if (!is_of_sandbox(sandbox, call, request->sandbox_id))
        return;
    if (coco_pod_sandbox_state(sandbox) == COCO_SANDBOX_NEW)
        coco_ttrpc_call_fail(call, COCO_TTRPC_NOT_FOUND, "sandbox %s not created: not found",
                             request->sandbox_id);
    else
        reply_status(sandbox, call, request->verbose);
}

static void
on_pong(GObject *source, GAsyncResult *result, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    if (reply != NULL)
        coco_ttrpc_call_reply(call, NULL);
    else
        coco_ttrpc_call_fail(call, COCO_TTRPC_UNAVAILABLE, "ping the guest: %s", error->message);
}

/* The guest itself must answer: that its process runs says little. */
static void
handle_ping(CocoTtrpcCall *call, void *user_data)
{
    const CocoPodSandbox *sandbox = user_data;
    const Containerd__Runtime__Sandbox__V1__PingRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    const CocoAgentCall check = {
        .client = coco_pod_vm_agent(coco_pod_vm(coco_pod_sandbox_pod(sandbox))),
        .timeout_us = PING_TIMEOUT_US,
        .cancellable = coco_ttrpc_call_get_cancellable(call),
        .callback = on_pong,
        .user_data = call,
    };

    if (!is_of_sandbox(sandbox, call, request->sandbox_id))
        return;
    if (check.client == NULL || coco_pod_sandbox_state(sandbox) != COCO_SANDBOX_READY) {
        coco_ttrpc_call_fail(
            call, COCO_TTRPC_FAILED_PRECONDITION, "ping sandbox %s: it is %s", request->sandbox_id,
            coco_fsm_state_name(&coco_sandbox_fsm, coco_pod_sandbox_state(sandbox)));
        return;
    }
    coco_agent_check(&check);
}

/* The answer goes out before the shim does. */
static void
on_removed(const GError *error, void *user_data)
{
    CocoPod *pod = coco_pod_sandbox_pod(((Op *) user_data)->sandbox);

    on_empty_done(error, user_data);
    if (error == NULL)
        coco_pod_shutdown(pod, true);
}

static void
handle_shutdown(CocoTtrpcCall *call, void *sandbox)
{
    const Containerd__Runtime__Sandbox__V1__ShutdownSandboxRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);

    if (is_of_sandbox(sandbox, call, request->sandbox_id))
        coco_pod_sandbox_remove(sandbox, on_removed, op_new(sandbox, call));
}

static void
handle_metrics(CocoTtrpcCall *call, void *sandbox)
{
    const Containerd__Runtime__Sandbox__V1__SandboxMetricsRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    const CocoPodDir *dir = coco_pod_run_dir(coco_pod_sandbox_pod(sandbox));
    g_autoptr(CocoCgroup) cgroup = coco_cgroup_of_run_dir(coco_pod_dir_path(dir));
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__StatsContainerResponse) usage = NULL;
    g_autoptr(Google__Protobuf__Any) data = NULL;
    Containerd__Runtime__Sandbox__V1__SandboxMetricsResponse response =
        CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_METRICS_RESPONSE__INIT;
    Containerd__Types__Metric metric = CONTAINERD__TYPES__METRIC__INIT;
    Google__Protobuf__Timestamp now;

    if (!is_of_sandbox(sandbox, call, request->sandbox_id))
        return;
    /* Its number is kept after its end, and may be another process's by then. */
    if (coco_pod_vm_is_ready(coco_pod_vm(coco_pod_sandbox_pod(sandbox))))
        usage = coco_vm_usage_read((pid_t) pid_of(sandbox), cgroup, &error);
    else
        usage = coco_vm_usage_read(0, NULL, &error);
    if (usage == NULL || !coco_metrics_pack(usage, coco_metrics_host_version(), &data, &error)) {
        coco_ttrpc_call_fail_error(call, error);
        return;
    }
    coco_timestamp_set(&now, g_get_real_time());
    metric.timestamp = &now;
    metric.id = request->sandbox_id;
    metric.data = data;
    response.metrics = &metric;
    coco_ttrpc_call_reply(call, &response.base);
}

#define METHOD(name, Type, handler)                                                                \
    {                                                                                              \
        name, &containerd__runtime__sandbox__v1__##Type##__descriptor, handler                     \
    }

/* clang-format off */
static const CocoTtrpcMethod methods[] = {
    METHOD("CreateSandbox", create_sandbox_request, handle_create),
    METHOD("StartSandbox", start_sandbox_request, handle_start),
    METHOD("Platform", platform_request, handle_platform),
    METHOD("StopSandbox", stop_sandbox_request, handle_stop),
    METHOD("WaitSandbox", wait_sandbox_request, handle_wait),
    METHOD("SandboxStatus", sandbox_status_request, handle_status),
    METHOD("PingSandbox", ping_request, handle_ping),
    METHOD("ShutdownSandbox", shutdown_sandbox_request, handle_shutdown),
    METHOD("SandboxMetrics", sandbox_metrics_request, handle_metrics),
};
/* clang-format on */

const CocoTtrpcService coco_sandbox_service = {
    .name = "containerd.runtime.sandbox.v1.Sandbox",
    .methods = methods,
    .n_methods = G_N_ELEMENTS(methods),
};

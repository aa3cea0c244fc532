// SPDX-License-Identifier: Apache-2.0
/*
 * Handlers for containers and their processes, except their streams.
 */
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/agent/service-private.h"
#include "guest/container/spec.h"
#include "guest/system/network.h"
#include "guest/system/paths.h"

/* What a request may ask for that is not done here. A user by name is the guest's to look up;
 * streams over ports of their own need a host that listens there. */
static bool
check_extras(const Grpc__StringUser *user, uint32_t ports, GError **error)
{
    bool has_user =
        user != NULL && (*user->uid != '\0' || *user->gid != '\0' || user->n_additionalgids > 0);

    if (!has_user && ports == 0)
        return true;
    return coco_ttrpc_failed(error, COCO_TTRPC_UNIMPLEMENTED, "%s is not supported by this agent",
                             has_user ? "string_user" : "stdin_port");
}

static void
create_container(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__CreateContainerRequest *request =
        (const Grpc__CreateContainerRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;

    if (!check_extras(request->string_user,
                      request->stdin_port | request->stdout_port | request->stderr_port, &error))
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_guest_sandbox_create_container(service->sandbox, request, coco_service_finish, call);
}

void
coco_handle_create_container(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__CreateContainerRequest *request =
        (const Grpc__CreateContainerRequest *) coco_ttrpc_call_get_request(call);

    coco_guest_sandbox_load_for(service->sandbox, request->oci);
    coco_service_after_modules(user_data, call, create_container);
}

void
coco_handle_start_container(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__StartContainerRequest *request =
        (const Grpc__StartContainerRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoGuestContainer *container =
        coco_guest_sandbox_find(service->sandbox, request->container_id, &error);

    if (container == NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_guest_container_start(container, coco_service_finish, call);
}

void
coco_handle_remove_container(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__RemoveContainerRequest *request =
        (const Grpc__RemoveContainerRequest *) coco_ttrpc_call_get_request(call);

    coco_guest_sandbox_remove_container(service->sandbox, request, coco_service_finish, call);
}

/* A process of our own to change; the request is the call's. */
static Grpc__Process *
copy_process(const Grpc__Process *process)
{
    size_t length = grpc__process__get_packed_size(process);
    g_autofree uint8_t *packed = g_malloc(length);

    grpc__process__pack(process, packed);
    return grpc__process__unpack(NULL, length, packed);
}

void
coco_handle_exec_process(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__ExecProcessRequest *request =
        (const Grpc__ExecProcessRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__Process) process =
        request->process != NULL ? copy_process(request->process) : NULL;
    CocoGuestContainer *container =
        coco_guest_sandbox_find(service->sandbox, request->container_id, &error);

    if (container == NULL || !coco_paths_check_id("exec id", request->exec_id, &error) ||
        !check_extras(request->string_user,
                      request->stdin_port | request->stdout_port | request->stderr_port, &error) ||
        !coco_spec_adapt_process(process, &error))
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_guest_container_exec(container, request->exec_id, process, coco_service_finish, call);
}

void
coco_handle_signal_process(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__SignalProcessRequest *request =
        (const Grpc__SignalProcessRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoGuestContainer *container =
        coco_guest_sandbox_find(service->sandbox, request->container_id, &error);

    if (container != NULL)
        (void) coco_guest_container_signal(container, request->exec_id, request->signal, &error);
    coco_service_finish(error, call);
}

static void
on_exit_code(int exit_code, const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    Grpc__WaitProcessResponse response = GRPC__WAIT_PROCESS_RESPONSE__INIT;

    response.status = exit_code;
    if (error != NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_ttrpc_call_reply(call, &response.base);
}

void
coco_handle_wait_process(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__WaitProcessRequest *request =
        (const Grpc__WaitProcessRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoGuestProcess *process = coco_guest_sandbox_find_process(
        service->sandbox, request->container_id, request->exec_id, &error);

    if (process == NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_guest_process_wait(process, coco_ttrpc_call_get_cancellable(call), on_exit_code, call);
}

void
coco_handle_update_container(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__UpdateContainerRequest *request =
        (const Grpc__UpdateContainerRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *packed = NULL;
    g_autoptr(Grpc__LinuxResources) resources = NULL;
    CocoGuestContainer *container =
        coco_guest_sandbox_find(service->sandbox, request->container_id, &error);
    size_t length;

    if (container == NULL || request->resources == NULL) {
        coco_service_finish(error, call);
        return;
    }
    length = grpc__linux_resources__get_packed_size(request->resources);
    packed = g_malloc(length);
    grpc__linux_resources__pack(request->resources, packed);
    resources = grpc__linux_resources__unpack(NULL, length, packed);
    coco_spec_adapt_resources(resources);
    coco_guest_container_update(container, resources, coco_service_finish, call);
}

void
coco_handle_stats_container(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__StatsContainerRequest *request =
        (const Grpc__StatsContainerRequest *) coco_ttrpc_call_get_request(call);
    Grpc__StatsContainerResponse response = GRPC__STATS_CONTAINER_RESPONSE__INIT;
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__CgroupStats) stats = NULL;
    const CocoGuestContainer *container =
        coco_guest_sandbox_find(service->sandbox, request->container_id, &error);

    if (container != NULL)
        stats = coco_guest_container_stats(container, &error);
    if (stats == NULL) {
        coco_ttrpc_call_fail_error(call, error);
        return;
    }
    response.cgroup_stats = stats;
    response.network_stats = coco_network_stats(COCO_NETWORK_FILE, &response.n_network_stats);
    coco_ttrpc_call_reply(call, &response.base);
    coco_network_stats_free(response.network_stats, response.n_network_stats);
}

static void
freeze(CocoTtrpcCall *call, const CocoService *service, const char *id, bool frozen)
{
    g_autoptr(GError) error = NULL;
    CocoGuestContainer *container = coco_guest_sandbox_find(service->sandbox, id, &error);

    if (container == NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_guest_container_freeze(container, frozen, coco_service_finish, call);
}

void
coco_handle_pause_container(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__PauseContainerRequest *request =
        (const Grpc__PauseContainerRequest *) coco_ttrpc_call_get_request(call);

    freeze(call, user_data, request->container_id, true);
}

void
coco_handle_resume_container(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__ResumeContainerRequest *request =
        (const Grpc__ResumeContainerRequest *) coco_ttrpc_call_get_request(call);

    freeze(call, user_data, request->container_id, false);
}

static void
on_oom_event(const char *id, const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    Grpc__OOMEvent response;

    if (error != NULL) {
        coco_ttrpc_call_fail_error(call, error);
        return;
    }
    grpc__oomevent__init(&response);
    response.container_id = (char *) (uintptr_t) id;
    coco_ttrpc_call_reply(call, &response.base);
}

void
coco_handle_get_oom_event(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;

    coco_guest_sandbox_wait_oom(service->sandbox, coco_ttrpc_call_get_cancellable(call),
                                on_oom_event, call);
}

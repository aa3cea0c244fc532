// SPDX-License-Identifier: Apache-2.0
/*
 * Handlers for health and for the sandbox as a whole.
 */
#include <string.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest/agent/service-private.h"

/* Of the protocol, as Kata's agent answers it. */
#define API_VERSION "0.0.1"

void
coco_handle_check(CocoTtrpcCall *call, void *user_data)
{
    Grpc__HealthCheckResponse response = GRPC__HEALTH_CHECK_RESPONSE__INIT;

    response.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    coco_ttrpc_call_reply(call, &response.base);
}

void
coco_handle_version(CocoTtrpcCall *call, void *user_data)
{
    Grpc__VersionCheckResponse response;

    grpc__version_check_response__init(&response);
    response.grpc_version = (char *) (uintptr_t) API_VERSION;
    response.agent_version = (char *) (uintptr_t) COCO_VERSION;
    coco_ttrpc_call_reply(call, &response.base);
}

void
coco_handle_create_sandbox(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__CreateSandboxRequest *request =
        (const Grpc__CreateSandboxRequest *) coco_ttrpc_call_get_request(call);

    coco_guest_sandbox_create(service->sandbox, request, coco_service_finish, call);
}

static gboolean
on_end(void *user_data)
{
    CocoService *service = user_data;

    service->end_id = 0;
    service->end(service->user_data);
    return G_SOURCE_REMOVE;
}

void
coco_handle_destroy_sandbox(CocoTtrpcCall *call, void *user_data)
{
    CocoService *service = user_data;

    coco_ttrpc_call_reply(call, NULL);
    /* At low priority: after the answer has been written. */
    if (service->end_id == 0)
        service->end_id = g_idle_add_full(G_PRIORITY_LOW, on_end, service, NULL);
}

void
coco_handle_update_ephemeral_mounts(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__UpdateEphemeralMountsRequest *request =
        (const Grpc__UpdateEphemeralMountsRequest *) coco_ttrpc_call_get_request(call);

    coco_storage_table_remount_async(coco_guest_sandbox_get_storages(service->sandbox),
                                     request->storages, request->n_storages, coco_service_finish,
                                     call);
}

static void
on_files_done(const char *text, const GError *error, void *user_data)
{
    coco_service_finish(error, user_data);
}

void
coco_handle_remove_stale_mounts(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;

    coco_shared_files_refresh(coco_guest_sandbox_get_files(service->sandbox), on_files_done, call);
}

void
coco_handle_copy_file(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__CopyFileRequest *request =
        (const Grpc__CopyFileRequest *) coco_ttrpc_call_get_request(call);

    coco_shared_files_copy(coco_guest_sandbox_get_files(service->sandbox), request, on_files_done,
                           call);
}

static void
on_log_read(const char *text, const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    Grpc__GetDiagnosticDataResponse response;

    if (text == NULL) {
        coco_ttrpc_call_fail_error(call, error);
        return;
    }
    grpc__get_diagnostic_data_response__init(&response);
    response.data = (char *) (uintptr_t) text;
    coco_ttrpc_call_reply(call, &response.base);
}

/* Kata: what the container wrote to its termination log, when the host shares no files with the
 * guest. */
void
coco_handle_get_diagnostic_data(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__GetDiagnosticDataRequest *request =
        (const Grpc__GetDiagnosticDataRequest *) coco_ttrpc_call_get_request(call);

    if (strcmp(request->log_type, "termination_log") != 0)
        coco_ttrpc_call_fail(call, COCO_TTRPC_INVALID_ARGUMENT, "unknown log type");
    else
        coco_guest_sandbox_read_termination_log(service->sandbox, request->container_id,
                                                on_log_read, call);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Health, and that every method of Kata's protocol is known here: what is missing is UNIMPLEMENTED
 * "method X", not an unknown service.
 */
#include "guest/agent/service.h"

#include <string.h>
#include <sys/socket.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/ttrpc-client.h"

typedef struct {
    bool done;
    ProtobufCMessage *reply;
    GError *error;
} Answer;

static void
on_answer(GObject *source, GAsyncResult *result, void *user_data)
{
    Answer *answer = user_data;

    answer->reply = coco_ttrpc_client_call_finish(result, &answer->error);
    answer->done = true;
}

static Answer
ask(const char *service_name, const char *method, const ProtobufCMessageDescriptor *reply)
{
    g_autoptr(CocoLayout) layout = coco_layout_new("/proc/nonexistent");
    g_autoptr(CocoReaper) reaper = coco_reaper_new(NULL);
    g_autoptr(CocoCrun) crun = coco_crun_new(reaper, layout, "/proc/nonexistent");
    g_autoptr(CocoGuestSandbox) sandbox = coco_guest_sandbox_new(layout, reaper, crun);
    g_autoptr(CocoService) service = coco_service_new(sandbox, NULL, NULL);
    g_autoptr(CocoTtrpcServer) server = coco_ttrpc_server_new();
    g_autoptr(CocoTtrpcClient) client = NULL;
    Grpc__CheckRequest request;
    Answer answer = { 0 };
    int ends[2];

    coco_service_attach(service, server);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    coco_ttrpc_server_add_connection(server, ends[0]);
    client = coco_ttrpc_client_new(ends[1]);
    grpc__check_request__init(&request);
    coco_ttrpc_client_call_async(client, service_name, method, &request.base, reply, 0, NULL,
                                 on_answer, &answer);
    while (!answer.done)
        (void) g_main_context_iteration(NULL, TRUE);
    return answer;
}

Test(service, health, .timeout = 20)
{
    Answer check = ask("grpc.Health", "Check", &grpc__health_check_response__descriptor);
    Answer version = ask("grpc.Health", "Version", &grpc__version_check_response__descriptor);

    cr_assert_eq(((Grpc__HealthCheckResponse *) check.reply)->status,
                 GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    cr_assert_str_eq(((Grpc__VersionCheckResponse *) version.reply)->grpc_version, "0.0.1");
    coco_pb_free(check.reply);
    coco_pb_free(version.reply);
}

Test(service, metrics_and_details, .timeout = 20)
{
    Answer metrics = ask("grpc.AgentService", "GetMetrics", &grpc__metrics__descriptor);
    Answer details =
        ask("grpc.AgentService", "GetGuestDetails", &grpc__guest_details_response__descriptor);
    const Grpc__GuestDetailsResponse *response = (const Grpc__GuestDetailsResponse *) details.reply;

    cr_assert_not_null(strstr(((Grpc__Metrics *) metrics.reply)->metrics,
                              "kata_guest_meminfo{item=\"memtotal\"} "));
    cr_assert_eq(response->agent_details->n_storage_handlers, 6);
    cr_assert(response->agent_details->supports_seccomp);
    coco_pb_free(metrics.reply);
    coco_pb_free(details.reply);
}

Test(service, every_method_of_the_protocol_is_known, .timeout = 20)
{
    static const char *const missing[] = {
        "GetIPTables",  "SetIPTables", "AddSwap",          "AddSwapPath",       "GetVolumeStats",
        "ResizeVolume", "SetPolicy",   "MemAgentMemcgSet", "MemAgentCompactSet"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(missing); i++) {
        Answer answer = ask("grpc.AgentService", missing[i], &grpc__check_request__descriptor);

        cr_assert(g_error_matches(answer.error, COCO_TTRPC_ERROR, COCO_TTRPC_UNIMPLEMENTED));
        cr_assert_not_null(strstr(answer.error->message, missing[i]));
        g_error_free(answer.error);
    }
}

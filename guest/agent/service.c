// SPDX-License-Identifier: Apache-2.0
/*
 * The method tables. A unit test compares them with Kata's list of methods; coco.Forward is ours.
 */
#include "guest/agent/service-private.h"

#include "guest-protocol/proto/agent-pb.h"

/* clang-format off */
static const CocoTtrpcMethod agent_methods[] = {
    { "CreateContainer", &grpc__create_container_request__descriptor, coco_handle_create_container },
    { "StartContainer", &grpc__start_container_request__descriptor, coco_handle_start_container },
    { "RemoveContainer", &grpc__remove_container_request__descriptor, coco_handle_remove_container },
    { "ExecProcess", &grpc__exec_process_request__descriptor, coco_handle_exec_process },
    { "SignalProcess", &grpc__signal_process_request__descriptor, coco_handle_signal_process },
    { "WaitProcess", &grpc__wait_process_request__descriptor, coco_handle_wait_process },
    { "UpdateContainer", &grpc__update_container_request__descriptor, coco_handle_update_container },
    { "StatsContainer", &grpc__stats_container_request__descriptor, coco_handle_stats_container },
    { "PauseContainer", &grpc__pause_container_request__descriptor, coco_handle_pause_container },
    { "ResumeContainer", &grpc__resume_container_request__descriptor, coco_handle_resume_container },
    { "GetOOMEvent", &grpc__get_oomevent_request__descriptor, coco_handle_get_oom_event },

    { "WriteStdin", &grpc__write_stream_request__descriptor, coco_handle_write_stdin },
    { "ReadStdout", &grpc__read_stream_request__descriptor, coco_handle_read_stdout },
    { "ReadStderr", &grpc__read_stream_request__descriptor, coco_handle_read_stderr },
    { "CloseStdin", &grpc__close_stdin_request__descriptor, coco_handle_close_stdin },
    { "TtyWinResize", &grpc__tty_win_resize_request__descriptor, coco_handle_tty_win_resize },

    { "CreateSandbox", &grpc__create_sandbox_request__descriptor, coco_handle_create_sandbox },
    { "DestroySandbox", &grpc__destroy_sandbox_request__descriptor, coco_handle_destroy_sandbox },
    { "UpdateEphemeralMounts", &grpc__update_ephemeral_mounts_request__descriptor, coco_handle_update_ephemeral_mounts },
    { "RemoveStaleVirtiofsShareMounts", &grpc__remove_stale_virtiofs_share_mounts_request__descriptor, coco_handle_remove_stale_mounts },
    { "CopyFile", &grpc__copy_file_request__descriptor, coco_handle_copy_file },
    { "GetDiagnosticData", &grpc__get_diagnostic_data_request__descriptor, coco_handle_get_diagnostic_data },

    { "GetGuestDetails", &grpc__guest_details_request__descriptor, coco_handle_get_guest_details },
    { "OnlineCPUMem", &grpc__online_cpumem_request__descriptor, coco_handle_online_cpu_mem },
    { "MemHotplugByProbe", &grpc__mem_hotplug_by_probe_request__descriptor, coco_handle_mem_hotplug_by_probe },
    { "SetGuestDateTime", &grpc__set_guest_date_time_request__descriptor, coco_handle_set_guest_date_time },
    { "ReseedRandomDev", &grpc__reseed_random_dev_request__descriptor, coco_handle_reseed_random_dev },
    { "GetMetrics", &grpc__get_metrics_request__descriptor, coco_handle_get_metrics },

    { "UpdateInterface", &grpc__update_interface_request__descriptor, coco_handle_update_interface },
    { "UpdateRoutes", &grpc__update_routes_request__descriptor, coco_handle_update_routes },
    { "ListInterfaces", &grpc__list_interfaces_request__descriptor, coco_handle_list_interfaces },
    { "ListRoutes", &grpc__list_routes_request__descriptor, coco_handle_list_routes },
    { "AddARPNeighbors", &grpc__add_arpneighbors_request__descriptor, coco_handle_add_arp_neighbors },
    { "GetIPTables", &grpc__get_iptables_request__descriptor, NULL },
    { "SetIPTables", &grpc__set_iptables_request__descriptor, NULL },
    { "AddSwap", &grpc__add_swap_request__descriptor, NULL },
    { "AddSwapPath", &grpc__add_swap_path_request__descriptor, NULL },
    { "GetVolumeStats", &grpc__volume_stats_request__descriptor, NULL },
    { "ResizeVolume", &grpc__resize_volume_request__descriptor, NULL },
    { "SetPolicy", &grpc__set_policy_request__descriptor, NULL },
    { "MemAgentMemcgSet", &grpc__mem_agent_memcg_config__descriptor, NULL },
    { "MemAgentCompactSet", &grpc__mem_agent_compact_config__descriptor, NULL },
};

static const CocoTtrpcMethod health_methods[] = {
    { "Check", &grpc__check_request__descriptor, coco_handle_check },
    { "Version", &grpc__check_request__descriptor, coco_handle_version },
};

static const CocoTtrpcMethod forward_methods[] = {
    { "Connect", &coco__forward_connect_request__descriptor, coco_handle_forward_connect },
    { "Read", &coco__forward_read_request__descriptor, coco_handle_forward_read },
    { "Write", &coco__forward_write_request__descriptor, coco_handle_forward_write },
    { "Close", &coco__forward_close_request__descriptor, coco_handle_forward_close },
};

static const CocoTtrpcService services[] = {
    { "grpc.AgentService", agent_methods, G_N_ELEMENTS(agent_methods) },
    { "grpc.Health", health_methods, G_N_ELEMENTS(health_methods) },
    { "coco.Forward", forward_methods, G_N_ELEMENTS(forward_methods) },
};
/* clang-format on */

CocoService *
coco_service_new(CocoGuestSandbox *sandbox, CocoServiceEndFunc end, void *user_data)
{
    CocoService *service = g_new0(CocoService, 1);

    service->gate = coco_gate_new();
    service->sandbox = sandbox;
    service->forwards = coco_guest_forwards_new();
    service->end = end;
    service->user_data = user_data;
    return service;
}

void
coco_service_free(CocoService *service)
{
    if (service == NULL)
        return;
    g_clear_handle_id(&service->end_id, g_source_remove);
    coco_gate_free(service->gate);
    coco_guest_forwards_free(service->forwards);
    g_free(service);
}

CocoGate *
coco_service_get_gate(CocoService *service)
{
    return service->gate;
}

/* Every request comes by here. Whether the agent lives, and which version it has, is no secret. */
static void
on_call(CocoTtrpcCall *call, const CocoTtrpcMethod *method, void *service_data, void *user_data)
{
    CocoService *service = user_data;
    bool is_health = false;

    for (size_t i = 0; i < G_N_ELEMENTS(health_methods); i++)
        is_health = is_health || method == &health_methods[i];
    if (is_health)
        method->handler(call, service_data);
    else
        coco_gate_pass(service->gate, call, method, service_data);
}

void
coco_service_attach(CocoService *service, CocoTtrpcServer *server)
{
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        coco_ttrpc_server_add_service(server, &services[i], service);
    coco_ttrpc_server_set_gate_func(server, on_call, service);
}

typedef struct {
    CocoService *service;
    CocoTtrpcCall *call;
    CocoTtrpcHandler handler;
} Waiting;

static void
on_modules_there(const char *text, const GError *error, void *user_data)
{
    g_autofree Waiting *waiting = user_data;

    if (error != NULL)
        coco_ttrpc_call_fail_error(waiting->call, error);
    else
        waiting->handler(waiting->call, waiting->service);
}

void
coco_service_after_modules(CocoService *service, CocoTtrpcCall *call, CocoTtrpcHandler handler)
{
    Waiting *waiting = g_new(Waiting, 1);

    *waiting = (Waiting){ service, call, handler };
    coco_child_queue_add(coco_guest_sandbox_get_modules(service->sandbox), NULL, on_modules_there,
                         waiting);
}

void
coco_service_finish(const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;

    if (error != NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_ttrpc_call_reply(call, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Fills the agent's requests (agent-call.h). protobuf-c's fields are char * also where they are
 * only read, hence the casts.
 */
#include "guest-protocol/agent/agent-call.h"

#include "google/protobuf/empty.pb-c.h"

#define AGENT "grpc.AgentService"
#define HEALTH "grpc.Health"
#define FORWARD "coco.Forward"

static void
tell_refusal(const CocoAgentCall *call, const char *method)
{
    if (call->client == NULL)
        g_task_report_new_error(NULL, call->callback, call->user_data, NULL, COCO_TTRPC_ERROR,
                                COCO_TTRPC_UNAVAILABLE, "the VM is gone");
    else
        g_task_report_new_error(NULL, call->callback, call->user_data, NULL, COCO_TTRPC_ERROR,
                                COCO_TTRPC_DEADLINE_EXCEEDED,
                                "%s: the guest has not answered for %.0f s", method,
                                (double) call->silence_us / G_USEC_PER_SEC);
}

static void
send_to(const CocoAgentCall *call, const char *service, const char *method,
        const ProtobufCMessage *request, const ProtobufCMessageDescriptor *reply_type)
{
    if (call->client == NULL || call->silence_us != 0) {
        if (call->callback != NULL)
            tell_refusal(call, method);
        return;
    }
    coco_ttrpc_client_call_async(call->client, service, method, request, reply_type,
                                 call->timeout_us, call->cancellable, call->callback,
                                 call->user_data);
}

/* For the many that answer with nothing. */
static void
send_for_nothing(const CocoAgentCall *call, const char *method, const ProtobufCMessage *request)
{
    send_to(call, AGENT, method, request, &google__protobuf__empty__descriptor);
}

void
coco_agent_check(const CocoAgentCall *call)
{
    Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

    send_to(call, HEALTH, "Check", &request.base, &grpc__health_check_response__descriptor);
}

void
coco_agent_create_sandbox(const CocoAgentCall *call, const CocoAgentSandbox *sandbox)
{
    Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

    request.sandbox_id = (char *) sandbox->id;
    request.hostname = (char *) sandbox->hostname;
    request.dns = (char **) sandbox->dns;
    request.n_dns = sandbox->dns != NULL ? g_strv_length((char **) sandbox->dns) : 0;
    request.storages = (Grpc__Storage **) sandbox->storages;
    request.n_storages = sandbox->n_storages;
    request.sandbox_pidns = sandbox->shared_pidns;
    send_for_nothing(call, "CreateSandbox", &request.base);
}

void
coco_agent_destroy_sandbox(const CocoAgentCall *call)
{
    Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;

    send_for_nothing(call, "DestroySandbox", &request.base);
}

void
coco_agent_create_container(const CocoAgentCall *call, const CocoAgentContainer *container)
{
    Grpc__CreateContainerRequest request = GRPC__CREATE_CONTAINER_REQUEST__INIT;

    request.container_id = (char *) container->id;
    request.exec_id = (char *) container->id;
    request.oci = (Grpc__Spec *) container->spec;
    request.sandbox_pidns = container->sandbox_pidns;
    request.storages = (Grpc__Storage **) container->storages;
    request.n_storages = container->n_storages;
    send_for_nothing(call, "CreateContainer", &request.base);
}

void
coco_agent_start_container(const CocoAgentCall *call, const char *id)
{
    Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;

    request.container_id = (char *) id;
    send_for_nothing(call, "StartContainer", &request.base);
}

void
coco_agent_remove_container(const CocoAgentCall *call, const char *id)
{
    Grpc__RemoveContainerRequest request = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

    request.container_id = (char *) id;
    send_for_nothing(call, "RemoveContainer", &request.base);
}

void
coco_agent_pause_container(const CocoAgentCall *call, const char *id)
{
    Grpc__PauseContainerRequest request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;

    request.container_id = (char *) id;
    send_for_nothing(call, "PauseContainer", &request.base);
}

void
coco_agent_resume_container(const CocoAgentCall *call, const char *id)
{
    Grpc__ResumeContainerRequest request = GRPC__RESUME_CONTAINER_REQUEST__INIT;

    request.container_id = (char *) id;
    send_for_nothing(call, "ResumeContainer", &request.base);
}

void
coco_agent_update_container(const CocoAgentCall *call, const char *id,
                            const Grpc__LinuxResources *resources)
{
    Grpc__UpdateContainerRequest request = GRPC__UPDATE_CONTAINER_REQUEST__INIT;

    request.container_id = (char *) id;
    request.resources = (Grpc__LinuxResources *) resources;
    send_for_nothing(call, "UpdateContainer", &request.base);
}

void
coco_agent_stats_container(const CocoAgentCall *call, const char *id)
{
    Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;

    request.container_id = (char *) id;
    send_to(call, AGENT, "StatsContainer", &request.base,
            &grpc__stats_container_response__descriptor);
}

void
coco_agent_exec_process(const CocoAgentCall *call, const CocoAgentProcess *process,
                        const Grpc__Process *spec)
{
    Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;

    request.container_id = (char *) process->container_id;
    request.exec_id = (char *) process->exec_id;
    request.process = (Grpc__Process *) spec;
    send_for_nothing(call, "ExecProcess", &request.base);
}

void
coco_agent_signal_process(const CocoAgentCall *call, const CocoAgentProcess *process,
                          uint32_t signal)
{
    Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

    request.container_id = (char *) process->container_id;
    request.exec_id = (char *) process->exec_id;
    request.signal = signal;
    send_for_nothing(call, "SignalProcess", &request.base);
}

void
coco_agent_wait_process(const CocoAgentCall *call, const CocoAgentProcess *process)
{
    Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;

    request.container_id = (char *) process->container_id;
    request.exec_id = (char *) process->exec_id;
    send_to(call, AGENT, "WaitProcess", &request.base, &grpc__wait_process_response__descriptor);
}

void
coco_agent_resize(const CocoAgentCall *call, const CocoAgentProcess *process, uint32_t rows,
                  uint32_t columns)
{
    Grpc__TtyWinResizeRequest request = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;

    request.container_id = (char *) process->container_id;
    request.exec_id = (char *) process->exec_id;
    request.row = rows;
    request.column = columns;
    send_for_nothing(call, "TtyWinResize", &request.base);
}

void
coco_agent_read_stream(const CocoAgentCall *call, const CocoAgentProcess *process,
                       CocoAgentStream stream, uint32_t len)
{
    static const char *const methods[] = {
        [COCO_AGENT_STDOUT] = "ReadStdout", [COCO_AGENT_STDERR] = "ReadStderr"
    };
    Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

    request.container_id = (char *) process->container_id;
    request.exec_id = (char *) process->exec_id;
    request.len = len;
    send_to(call, AGENT, methods[stream], &request.base, &grpc__read_stream_response__descriptor);
}

void
coco_agent_write_stdin(const CocoAgentCall *call, const CocoAgentProcess *process,
                       const uint8_t *data, size_t len)
{
    Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;

    request.container_id = (char *) process->container_id;
    request.exec_id = (char *) process->exec_id;
    request.data.data = (uint8_t *) data;
    request.data.len = len;
    send_to(call, AGENT, "WriteStdin", &request.base, &grpc__write_stream_response__descriptor);
}

void
coco_agent_close_stdin(const CocoAgentCall *call, const CocoAgentProcess *process)
{
    Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

    request.container_id = (char *) process->container_id;
    request.exec_id = (char *) process->exec_id;
    send_for_nothing(call, "CloseStdin", &request.base);
}

void
coco_agent_get_oom_event(const CocoAgentCall *call)
{
    Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;

    send_to(call, AGENT, "GetOOMEvent", &request.base, &grpc__oomevent__descriptor);
}

void
coco_agent_update_interface(const CocoAgentCall *call, const Types__Interface *interface)
{
    Grpc__UpdateInterfaceRequest request = GRPC__UPDATE_INTERFACE_REQUEST__INIT;

    request.interface = (Types__Interface *) interface;
    send_to(call, AGENT, "UpdateInterface", &request.base, &types__interface__descriptor);
}

void
coco_agent_update_routes(const CocoAgentCall *call, const Grpc__Routes *routes)
{
    Grpc__UpdateRoutesRequest request = GRPC__UPDATE_ROUTES_REQUEST__INIT;

    request.routes = (Grpc__Routes *) routes;
    send_to(call, AGENT, "UpdateRoutes", &request.base, &grpc__routes__descriptor);
}

void
coco_agent_add_arp_neighbors(const CocoAgentCall *call, const Grpc__ARPNeighbors *neighbours)
{
    Grpc__AddARPNeighborsRequest request = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;

    request.neighbors = (Grpc__ARPNeighbors *) neighbours;
    send_for_nothing(call, "AddARPNeighbors", &request.base);
}

void
coco_agent_forward_connect(const CocoAgentCall *call, uint32_t port)
{
    Coco__ForwardConnectRequest request = COCO__FORWARD_CONNECT_REQUEST__INIT;

    request.port = port;
    send_to(call, FORWARD, "Connect", &request.base, &coco__forward_connect_response__descriptor);
}

void
coco_agent_forward_read(const CocoAgentCall *call, uint64_t connection, uint32_t len)
{
    Coco__ForwardReadRequest request = COCO__FORWARD_READ_REQUEST__INIT;

    request.connection = connection;
    request.len = len;
    send_to(call, FORWARD, "Read", &request.base, &coco__forward_read_response__descriptor);
}

void
coco_agent_forward_write(const CocoAgentCall *call, uint64_t connection, const uint8_t *data,
                         size_t len)
{
    Coco__ForwardWriteRequest request = COCO__FORWARD_WRITE_REQUEST__INIT;

    request.connection = connection;
    request.data.data = (uint8_t *) data;
    request.data.len = len;
    send_to(call, FORWARD, "Write", &request.base, &google__protobuf__empty__descriptor);
}

void
coco_agent_forward_close(const CocoAgentCall *call, uint64_t connection, bool half)
{
    Coco__ForwardCloseRequest request = COCO__FORWARD_CLOSE_REQUEST__INIT;

    request.connection = connection;
    request.half = half;
    send_to(call, FORWARD, "Close", &request.base, &google__protobuf__empty__descriptor);
}

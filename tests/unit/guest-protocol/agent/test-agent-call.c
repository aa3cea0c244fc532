// SPDX-License-Identifier: Apache-2.0
/*
 * guest-protocol/agent/agent-call.c against a server: each function reaches the method it is named
 * for, with every field that it was given; a guest that is gone is told by callback.
 */
#include "guest-protocol/agent/agent-call.h"

#include <string.h>
#include <sys/socket.h>

#include <criterion/criterion.h>

#include "google/protobuf/empty.pb-c.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "tests/unit/guest-protocol/raw-peer.h"

static CocoTtrpcServer *server;
static CocoTtrpcClient *client;
static CocoTtrpcCall *got; /* the one that arrived; kept until the test has looked at it */
static unsigned int n_replies;
static GError *failure;

static void
on_call(CocoTtrpcCall *call, void *user_data)
{
    cr_assert_null(got);
    got = call;
}

static bool was_stderr;

static void
on_stderr(CocoTtrpcCall *call, void *user_data)
{
    was_stderr = true;
    on_call(call, user_data);
}

/* clang-format off */
static const CocoTtrpcMethod agent_methods[] = {
    { "CreateSandbox", &grpc__create_sandbox_request__descriptor, on_call },
    { "DestroySandbox", &grpc__destroy_sandbox_request__descriptor, on_call },
    { "CreateContainer", &grpc__create_container_request__descriptor, on_call },
    { "StartContainer", &grpc__start_container_request__descriptor, on_call },
    { "RemoveContainer", &grpc__remove_container_request__descriptor, on_call },
    { "PauseContainer", &grpc__pause_container_request__descriptor, on_call },
    { "ResumeContainer", &grpc__resume_container_request__descriptor, on_call },
    { "UpdateContainer", &grpc__update_container_request__descriptor, on_call },
    { "StatsContainer", &grpc__stats_container_request__descriptor, on_call },
    { "ExecProcess", &grpc__exec_process_request__descriptor, on_call },
    { "SignalProcess", &grpc__signal_process_request__descriptor, on_call },
    { "WaitProcess", &grpc__wait_process_request__descriptor, on_call },
    { "TtyWinResize", &grpc__tty_win_resize_request__descriptor, on_call },
    { "ReadStdout", &grpc__read_stream_request__descriptor, on_call },
    { "ReadStderr", &grpc__read_stream_request__descriptor, on_stderr },
    { "WriteStdin", &grpc__write_stream_request__descriptor, on_call },
    { "CloseStdin", &grpc__close_stdin_request__descriptor, on_call },
    { "GetOOMEvent", &grpc__get_oomevent_request__descriptor, on_call },
    { "UpdateInterface", &grpc__update_interface_request__descriptor, on_call },
    { "UpdateRoutes", &grpc__update_routes_request__descriptor, on_call },
    { "AddARPNeighbors", &grpc__add_arpneighbors_request__descriptor, on_call },
};
static const CocoTtrpcMethod health_methods[] = {
    { "Check", &grpc__check_request__descriptor, on_call },
};
/* clang-format on */
static const CocoTtrpcService agent = { "grpc.AgentService", agent_methods,
                                        G_N_ELEMENTS(agent_methods) };
static const CocoTtrpcService health = { "grpc.Health", health_methods, 1 };

static void
setup(void)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    server = coco_ttrpc_server_new();
    coco_ttrpc_server_add_service(server, &agent, NULL);
    coco_ttrpc_server_add_service(server, &health, NULL);
    coco_ttrpc_server_add_connection(server, fds[0]);
    client = coco_ttrpc_client_new(fds[1]);
    got = NULL;
    n_replies = 0;
}

static void
teardown(void)
{
    coco_ttrpc_client_free(client);
    coco_ttrpc_server_free(server);
    run_pending();
    g_clear_error(&failure);
}

TestSuite(agent_call, .init = setup, .fini = teardown);

static void
on_reply(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &failure);

    n_replies++;
}

static const CocoAgentCall *
call(void)
{
    static CocoAgentCall made;

    made = (CocoAgentCall){ .client = client, .callback = on_reply };
    return &made;
}

static const CocoAgentProcess process = { "box", "ex" };

/* The request that arrived, as its type; the call ends with end(). */
#define GOT(Type, descriptor_)                                                                     \
    (wait_for(&(descriptor_)), (const Type *) coco_ttrpc_call_get_request(got))

static void
wait_for(const ProtobufCMessageDescriptor *descriptor)
{
    while (got == NULL)
        g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(coco_ttrpc_call_get_request(got)->descriptor, descriptor);
}

static void
end(void)
{
    unsigned int before = n_replies;

    coco_ttrpc_call_reply(got, NULL);
    got = NULL;
    while (n_replies == before)
        g_main_context_iteration(NULL, TRUE);
    cr_assert_null(failure, "%s", failure->message);
}

Test(agent_call, sandbox)
{
    char *dns[] = { (char *) "nameserver 1.2.3.4", (char *) "search x", NULL };
    Grpc__Storage storage = GRPC__STORAGE__INIT;
    Grpc__Storage *storages[] = { &storage };
    const CocoAgentSandbox sandbox = { .id = "pod",
                                       .hostname = "h",
                                       .dns = dns,
                                       .storages = storages,
                                       .n_storages = 1,
                                       .shared_pidns = true };
    const Grpc__CreateSandboxRequest *request;

    storage.mount_point = (char *) "/m";
    coco_agent_create_sandbox(call(), &sandbox);
    request = GOT(Grpc__CreateSandboxRequest, grpc__create_sandbox_request__descriptor);
    cr_expect_str_eq(request->sandbox_id, "pod");
    cr_expect_str_eq(request->hostname, "h");
    cr_expect_eq(request->n_dns, 2);
    cr_expect_str_eq(request->dns[1], "search x");
    cr_assert_eq(request->n_storages, 1);
    cr_expect_str_eq(request->storages[0]->mount_point, "/m");
    cr_expect(request->sandbox_pidns);
    end();
    coco_agent_destroy_sandbox(call());
    (void) GOT(Grpc__DestroySandboxRequest, grpc__destroy_sandbox_request__descriptor);
    end();
    coco_agent_check(call());
    (void) GOT(Grpc__CheckRequest, grpc__check_request__descriptor);
    end();
}

Test(agent_call, container)
{
    Grpc__Spec spec = GRPC__SPEC__INIT;
    Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
    Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
    const CocoAgentContainer container = { .id = "box", .spec = &spec, .sandbox_pidns = true };
    const Grpc__CreateContainerRequest *create;
    const Grpc__UpdateContainerRequest *update;

    spec.hostname = (char *) "inside";
    coco_agent_create_container(call(), &container);
    create = GOT(Grpc__CreateContainerRequest, grpc__create_container_request__descriptor);
    cr_expect_str_eq(create->container_id, "box");
    cr_expect_str_eq(create->exec_id, "box");
    cr_expect_str_eq(create->oci->hostname, "inside");
    cr_expect(create->sandbox_pidns);
    end();
    pids.limit = 7;
    resources.pids = &pids;
    coco_agent_update_container(call(), "box", &resources);
    update = GOT(Grpc__UpdateContainerRequest, grpc__update_container_request__descriptor);
    cr_expect_str_eq(update->container_id, "box");
    cr_expect_eq(update->resources->pids->limit, 7);
    end();
}

/* Calls whose request is a container's id and nothing else, and lies first in the message. */
Test(agent_call, by_id)
{
    static const struct {
        void (*send)(const CocoAgentCall *call, const char *id);
        const ProtobufCMessageDescriptor *type;
    } rows[] = {
        { coco_agent_start_container, &grpc__start_container_request__descriptor },
        { coco_agent_remove_container, &grpc__remove_container_request__descriptor },
        { coco_agent_pause_container, &grpc__pause_container_request__descriptor },
        { coco_agent_resume_container, &grpc__resume_container_request__descriptor },
        { coco_agent_stats_container, &grpc__stats_container_request__descriptor },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Grpc__StartContainerRequest *request;

        rows[i].send(call(), "box");
        wait_for(rows[i].type);
        request = (const void *) coco_ttrpc_call_get_request(got);
        cr_expect_str_eq(request->container_id, "box");
        end();
    }
}

Test(agent_call, process)
{
    Grpc__Process spec = GRPC__PROCESS__INIT;
    const Grpc__ExecProcessRequest *exec;
    const Grpc__SignalProcessRequest *signal;
    const Grpc__WaitProcessRequest *wait;
    const Grpc__TtyWinResizeRequest *resize;

    spec.cwd = (char *) "/w";
    coco_agent_exec_process(call(), &process, &spec);
    exec = GOT(Grpc__ExecProcessRequest, grpc__exec_process_request__descriptor);
    cr_expect_str_eq(exec->container_id, "box");
    cr_expect_str_eq(exec->exec_id, "ex");
    cr_expect_str_eq(exec->process->cwd, "/w");
    end();
    coco_agent_signal_process(call(), &process, 15);
    signal = GOT(Grpc__SignalProcessRequest, grpc__signal_process_request__descriptor);
    cr_expect_str_eq(signal->exec_id, "ex");
    cr_expect_eq(signal->signal, 15);
    end();
    coco_agent_wait_process(call(), &process);
    wait = GOT(Grpc__WaitProcessRequest, grpc__wait_process_request__descriptor);
    cr_expect_str_eq(wait->container_id, "box");
    cr_expect_str_eq(wait->exec_id, "ex");
    end();
    coco_agent_resize(call(), &process, 24, 80);
    resize = GOT(Grpc__TtyWinResizeRequest, grpc__tty_win_resize_request__descriptor);
    cr_expect_eq(resize->row, 24);
    cr_expect_eq(resize->column, 80);
    end();
}

Test(agent_call, streams)
{
    const Grpc__ReadStreamRequest *read;
    const Grpc__WriteStreamRequest *write;
    const Grpc__CloseStdinRequest *closed;

    for (unsigned int stream = COCO_AGENT_STDOUT; stream <= COCO_AGENT_STDERR; stream++) {
        coco_agent_read_stream(call(), &process, (CocoAgentStream) stream, 4096);
        read = GOT(Grpc__ReadStreamRequest, grpc__read_stream_request__descriptor);
        cr_expect_str_eq(read->exec_id, "ex");
        cr_expect_eq(read->len, 4096);
        cr_expect_eq(was_stderr, stream == COCO_AGENT_STDERR);
        end();
    }
    coco_agent_write_stdin(call(), &process, (const uint8_t *) "ab", 2);
    write = GOT(Grpc__WriteStreamRequest, grpc__write_stream_request__descriptor);
    cr_assert_eq(write->data.len, 2);
    cr_expect_arr_eq(write->data.data, "ab", 2);
    end();
    coco_agent_close_stdin(call(), &process);
    closed = GOT(Grpc__CloseStdinRequest, grpc__close_stdin_request__descriptor);
    cr_expect_str_eq(closed->exec_id, "ex");
    end();
    coco_agent_get_oom_event(call());
    (void) GOT(Grpc__GetOOMEventRequest, grpc__get_oomevent_request__descriptor);
    end();
}

Test(agent_call, network)
{
    Types__Interface interface = TYPES__INTERFACE__INIT;
    Types__Route route = TYPES__ROUTE__INIT;
    Types__Route *routes[] = { &route };
    Types__ARPNeighbor neighbour = TYPES__ARPNEIGHBOR__INIT;
    Types__ARPNeighbor *neighbours[] = { &neighbour };
    Grpc__Routes all_routes = GRPC__ROUTES__INIT;
    Grpc__ARPNeighbors all_neighbours = GRPC__ARPNEIGHBORS__INIT;
    const Grpc__UpdateInterfaceRequest *updated;
    const Grpc__UpdateRoutesRequest *routed;
    const Grpc__AddARPNeighborsRequest *added;

    interface.hwaddr = (char *) "02:00:00:00:00:01";
    coco_agent_update_interface(call(), &interface);
    updated = GOT(Grpc__UpdateInterfaceRequest, grpc__update_interface_request__descriptor);
    cr_expect_str_eq(updated->interface->hwaddr, "02:00:00:00:00:01");
    end();
    route.gateway = (char *) "192.0.2.1";
    all_routes.routes = routes;
    all_routes.n_routes = 1;
    coco_agent_update_routes(call(), &all_routes);
    routed = GOT(Grpc__UpdateRoutesRequest, grpc__update_routes_request__descriptor);
    cr_expect_str_eq(routed->routes->routes[0]->gateway, "192.0.2.1");
    end();
    neighbour.lladdr = (char *) "02:00:00:00:00:02";
    all_neighbours.arpneighbors = neighbours;
    all_neighbours.n_arpneighbors = 1;
    coco_agent_add_arp_neighbors(call(), &all_neighbours);
    added = GOT(Grpc__AddARPNeighborsRequest, grpc__add_arpneighbors_request__descriptor);
    cr_expect_str_eq(added->neighbors->arpneighbors[0]->lladdr, "02:00:00:00:00:02");
    end();
}

Test(agent_call, a_guest_that_is_gone_or_silent)
{
    const CocoAgentCall gone = { .callback = on_reply };
    const CocoAgentCall silent = { .client = client, .silence_us = 3000000, .callback = on_reply };

    coco_agent_start_container(&gone, "box");
    cr_expect_eq(n_replies, 0, "a callback from inside the call");
    while (n_replies == 0)
        g_main_context_iteration(NULL, TRUE);
    cr_assert(g_error_matches(failure, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE));
    cr_expect_str_eq(failure->message, "the VM is gone");
    g_clear_error(&failure);
    coco_agent_pause_container(&silent, "box");
    while (n_replies == 1)
        g_main_context_iteration(NULL, TRUE);
    cr_assert(g_error_matches(failure, COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED));
    cr_expect_str_eq(failure->message, "PauseContainer: the guest has not answered for 3 s");
    g_clear_error(&failure);
    coco_agent_start_container(&(const CocoAgentCall){ 0 }, "box");
    run_pending();
    cr_expect_eq(n_replies, 2);
    cr_expect_null(got, "nobody was asked");
}

// SPDX-License-Identifier: Apache-2.0
/*
 * /init of a guest that means harm without being absent: it answers what it is asked, at once, and
 * does nothing. No process of it ever ends, no stream ever does, and no container is ever removed.
 */
#include <stdio.h>
#include <string.h>

#include <gio/gio.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/transport.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "guest/agent/channel.h"
#include "guest/system/init-system.h"
#include "guest/system/modules.h"

static void
answer(CocoTtrpcCall *call, void *user_data)
{
    coco_ttrpc_call_reply(call, NULL);
}

/* With the word slow_create on the kernel's command line: longer than the shim waits. */
#define SLOW_CREATE_S 65

static gboolean
on_late(void *call)
{
    coco_ttrpc_call_reply(call, NULL);
    return G_SOURCE_REMOVE;
}

static void
create(CocoTtrpcCall *call, void *user_data)
{
    g_autofree char *words = NULL;

    if (g_file_get_contents("/proc/cmdline", &words, NULL, NULL) &&
        strstr(words, "slow_create") != NULL)
        (void) g_timeout_add_seconds(SLOW_CREATE_S, on_late, call);
    else
        coco_ttrpc_call_reply(call, NULL);
}

/* Told on the console, and never answered. */
static void
remove_container(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__RemoveContainerRequest *request = (const void *) coco_ttrpc_call_get_request(call);

    (void) printf("hostile: remove %s\n", request->container_id);
    (void) fflush(stdout);
}

/* Kept for ever. */
static void
swallow(CocoTtrpcCall *call, void *user_data)
{
}

/* clang-format off */
static const CocoTtrpcMethod agent_methods[] = {
    { "CreateSandbox", &grpc__create_sandbox_request__descriptor, answer },
    { "CreateContainer", &grpc__create_container_request__descriptor, create },
    { "StartContainer", &grpc__start_container_request__descriptor, answer },
    { "ExecProcess", &grpc__exec_process_request__descriptor, answer },
    { "SignalProcess", &grpc__signal_process_request__descriptor, answer },
    { "CloseStdin", &grpc__close_stdin_request__descriptor, answer },
    { "RemoveContainer", &grpc__remove_container_request__descriptor, remove_container },
    { "WaitProcess", &grpc__wait_process_request__descriptor, swallow },
    { "ReadStdout", &grpc__read_stream_request__descriptor, swallow },
    { "ReadStderr", &grpc__read_stream_request__descriptor, swallow },
    { "StatsContainer", &grpc__stats_container_request__descriptor, swallow },
    { "GetOOMEvent", &grpc__get_oomevent_request__descriptor, swallow },
};
static const CocoTtrpcMethod health_methods[] = {
    { "Check", &grpc__check_request__descriptor, answer },
};
static const CocoTtrpcService services[] = {
    { "grpc.AgentService", agent_methods, G_N_ELEMENTS(agent_methods) },
    { "grpc.Health", health_methods, G_N_ELEMENTS(health_methods) },
};
/* clang-format on */

static CocoTtrpcServer *
new_server(void)
{
    CocoTtrpcServer *server = coco_ttrpc_server_new();

    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        coco_ttrpc_server_add_service(server, &services[i], NULL);
    return server;
}

int
main(void)
{
    g_autofree char *address = g_strdup_printf("vsock://-1:%d", COCO_AGENT_VSOCK_PORT);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(CocoTtrpcServer) server = new_server();
    g_autoptr(CocoTtrpcServer) channel_server = new_server();
    g_autoptr(CocoChannel) channel = NULL;
    g_autoptr(GError) error = NULL;
    int fd;

    if (!coco_init_system_start(&error))
        coco_init_system_die(error->message);
    coco_modules_load_list(COCO_MODULES_LIST);
    fd = coco_transport_listen(address, NULL);
    if (fd >= 0)
        coco_ttrpc_server_listen(server, fd, false);
    channel = coco_channel_new(channel_server, COCO_AGENT_CHANNEL_NAME, &error);
    if (channel == NULL)
        coco_init_system_die(error->message);
    g_main_loop_run(loop);
    return 0;
}

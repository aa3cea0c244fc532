// SPDX-License-Identifier: Apache-2.0
/*
 * The streams of one process between a fifo and an agent that is ours: what happens at the end.
 */
#include "shim/stdio/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"

#define PIECE (200 * 1024) /* more than a fifo holds */

static uint8_t piece[PIECE];
static unsigned int n_pieces; /* how many the agent still has */
static GPtrArray *parked;

static void
on_read(CocoTtrpcCall *call, void *user_data)
{
    Grpc__ReadStreamResponse response = GRPC__READ_STREAM_RESPONSE__INIT;

    if (n_pieces == 0) {
        g_ptr_array_add(parked, call);
        return;
    }
    n_pieces--;
    response.data.data = piece;
    response.data.len = sizeof(piece);
    coco_ttrpc_call_reply(call, &response.base);
}

static void
on_park(CocoTtrpcCall *call, void *user_data)
{
    g_ptr_array_add(parked, call);
}

static void
on_empty(CocoTtrpcCall *call, void *user_data)
{
    coco_ttrpc_call_reply(call, NULL);
}

static const CocoTtrpcMethod agent_methods[] = {
    { "ReadStdout", &grpc__read_stream_request__descriptor, on_read },
    { "ReadStderr", &grpc__read_stream_request__descriptor, on_park },
    { "CloseStdin", &grpc__close_stdin_request__descriptor, on_empty },
};
static const CocoTtrpcMethod health_methods[] = {
    { "Check", &grpc__check_request__descriptor, on_empty },
};
static const CocoTtrpcService services[] = {
    { "grpc.AgentService", agent_methods, G_N_ELEMENTS(agent_methods) },
    { "grpc.Health", health_methods, G_N_ELEMENTS(health_methods) },
};

static CocoTtrpcServer *server;
static CocoTtrpcClient *client;
static CocoStdio *stdio;
static char *directory;
static char *fifo;
static int reader = -1;
static size_t n_read;
static bool at_end;

static void
on_opened(const GError *error, void *user_data)
{
    cr_assert_null(error);
}

static void
on_done(void *user_data)
{
    *(bool *) user_data = true;
}

static void
setup(void)
{
    CocoStdioConfig config = {
        .container_id = "c", .exec_id = "c", .ns = "n", .in = "", .err = ""
    };
    int fds[2];

    parked = g_ptr_array_new();
    directory = g_dir_make_tmp("test-stdio-XXXXXX", NULL);
    fifo = g_build_filename(directory, "out", NULL);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    config.out = fifo;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    server = coco_ttrpc_server_new();
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
        coco_ttrpc_server_add_service(server, &services[i], NULL);
    coco_ttrpc_server_add_connection(server, fds[0]);
    client = coco_ttrpc_client_new(fds[1]);
    stdio = coco_stdio_new(&config);
    coco_stdio_open(stdio, on_opened, NULL);
}

static void
teardown(void)
{
    coco_stdio_stop(stdio);
    coco_stdio_unref(stdio);
    coco_ttrpc_client_free(client);
    for (unsigned int i = 0; i < parked->len; i++)
        coco_ttrpc_call_reply(parked->pdata[i], NULL);
    coco_ttrpc_server_free(server);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    coco_fd_clear(&reader);
    (void) unlink(fifo);
    (void) g_rmdir(directory);
    g_free(fifo);
    g_free(directory);
    g_ptr_array_unref(parked);
}

TestSuite(stdio, .init = setup, .fini = teardown, .timeout = 60);

static void
take_output(void)
{
    static uint8_t buffer[65536];
    ssize_t n;

    while ((n = read(reader, buffer, sizeof(buffer))) > 0)
        n_read += (size_t) n;
    at_end = n == 0;
}

/* What the agent handed over is the reader's, though he is slow and the agent is gone. */
Test(stdio, finishes_what_is_held)
{
    bool drained = false;

    n_pieces = 1;
    coco_stdio_start(stdio, client, on_done, &drained);
    while (coco_stdio_moved(stdio) == 0)
        (void) g_main_context_iteration(NULL, TRUE);
    coco_stdio_finish(stdio);
    cr_assert(!drained);
    while (!drained) {
        take_output();
        (void) g_main_context_iteration(NULL, TRUE);
    }
    take_output();
    cr_assert_eq(n_read, PIECE);
    cr_assert(at_end);
}

Test(stdio, finishes_at_once_when_nothing_is_held)
{
    bool drained = false;

    coco_stdio_start(stdio, client, on_done, &drained);
    while (parked->len < 2)
        (void) g_main_context_iteration(NULL, TRUE);
    coco_stdio_finish(stdio);
    cr_assert(drained);
}

/* A process that is left behind writes without end. */
Test(stdio, settles_though_output_goes_on)
{
    int64_t started = g_get_monotonic_time();
    bool drained = false;
    bool settled = false;

    n_pieces = G_MAXUINT;
    coco_stdio_start(stdio, client, on_done, &drained);
    coco_stdio_settle(stdio, on_done, &settled);
    while (!settled && g_get_monotonic_time() - started < 10 * G_USEC_PER_SEC) {
        take_output();
        (void) g_main_context_iteration(NULL, TRUE);
    }
    cr_assert(settled);
    cr_assert(!drained);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Forwarded connections with an agent that gives back what it gets, and with one that does not know
 * the calls. The connections come to an ordinary listener.
 */
#include "shim/network/port-forward.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"

#define PIECE 100000 /* more than one call takes */

typedef struct {
    uint32_t port;       /* that was asked for */
    GByteArray *bytes;   /* given, and not read */
    CocoTtrpcCall *read; /* waits */
    bool ended;
    bool closed;
} Agent;

static void
answer_read(Agent *agent)
{
    Coco__ForwardReadResponse response = COCO__FORWARD_READ_RESPONSE__INIT;

    if (agent->read == NULL || (agent->bytes->len == 0 && !agent->ended))
        return;
    response.data.data = agent->bytes->data;
    response.data.len = agent->bytes->len;
    coco_ttrpc_call_reply(g_steal_pointer(&agent->read), &response.base);
    g_byte_array_set_size(agent->bytes, 0);
}

static void
on_connect(CocoTtrpcCall *call, void *user_data)
{
    Agent *agent = user_data;
    Coco__ForwardConnectResponse response = COCO__FORWARD_CONNECT_RESPONSE__INIT;

    agent->port = ((const Coco__ForwardConnectRequest *) coco_ttrpc_call_get_request(call))->port;
    response.connection = 7;
    coco_ttrpc_call_reply(call, &response.base);
}

static void
on_read(CocoTtrpcCall *call, void *user_data)
{
    Agent *agent = user_data;

    agent->read = call;
    answer_read(agent);
}

static void
on_write(CocoTtrpcCall *call, void *user_data)
{
    Agent *agent = user_data;
    const Coco__ForwardWriteRequest *request =
        (const Coco__ForwardWriteRequest *) coco_ttrpc_call_get_request(call);

    cr_expect_eq(request->connection, 7);
    (void) g_byte_array_append(agent->bytes, request->data.data, (guint) request->data.len);
    coco_ttrpc_call_reply(call, NULL);
    answer_read(agent);
}

static void
on_close(CocoTtrpcCall *call, void *user_data)
{
    Agent *agent = user_data;
    bool half = ((const Coco__ForwardCloseRequest *) coco_ttrpc_call_get_request(call))->half;

    agent->ended = true;
    agent->closed = agent->closed || !half;
    coco_ttrpc_call_reply(call, NULL);
    answer_read(agent);
    if (!half && agent->read != NULL)
        coco_ttrpc_call_fail(g_steal_pointer(&agent->read), COCO_TTRPC_CANCELLED, "closed");
}

static const CocoTtrpcMethod methods[] = {
    { "Connect", &coco__forward_connect_request__descriptor, on_connect },
    { "Read", &coco__forward_read_request__descriptor, on_read },
    { "Write", &coco__forward_write_request__descriptor, on_write },
    { "Close", &coco__forward_close_request__descriptor, on_close },
};
static const CocoTtrpcService service = { "coco.Forward", methods, G_N_ELEMENTS(methods) };

typedef struct {
    Agent agent;
    CocoTtrpcServer *server;
    CocoTtrpcClient *client;
    CocoPortForward *forward;
    uint16_t port;
} World;

static void
begin(World *world, bool knows)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int fds[2] = { -1, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
    int ends[2];

    world->agent.bytes = g_byte_array_new();
    world->server = coco_ttrpc_server_new();
    if (knows)
        coco_ttrpc_server_add_service(world->server, &service, &world->agent);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    coco_ttrpc_server_add_connection(world->server, ends[0]);
    world->client = coco_ttrpc_client_new(ends[1]);
    cr_assert_eq(bind(fds[1], (struct sockaddr *) &address, sizeof address), 0);
    cr_assert_eq(listen(fds[1], 8), 0);
    cr_assert_eq(getsockname(fds[1], (struct sockaddr *) &address, &length), 0);
    world->port = ntohs(address.sin_port);
    world->forward = coco_port_forward_new(world->client, fds, 2);
}

static void
finish(World *world)
{
    coco_port_forward_free(world->forward);
    coco_ttrpc_client_free(world->client);
    coco_ttrpc_server_free(world->server);
    g_byte_array_unref(world->agent.bytes);
}

static int
connect_to(const World *world)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(world->port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(connect(fd, (const struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

/* How many bytes came in all; -1 after a reset. The main loop runs meanwhile. */
static ssize_t
receive(int fd, uint8_t *bytes, size_t wanted)
{
    size_t got = 0;

    while (got < wanted) {
        ssize_t n = recv(fd, bytes + got, wanted - got, MSG_DONTWAIT);

        if (n == 0)
            return (ssize_t) got;
        if (n < 0 && errno != EAGAIN)
            return -1;
        got += (size_t) MAX(n, 0);
        if (n < 0)
            (void) g_main_context_iteration(NULL, TRUE);
    }
    return (ssize_t) got;
}

Test(port_forward, both_ways_until_both_have_ended, .timeout = 20)
{
    World world = { 0 };
    g_autofree uint8_t *bytes = g_malloc0(2 * PIECE);
    g_auto(CocoFd) fd = -1;

    begin(&world, true);
    fd = connect_to(&world);
    memset(bytes, 'x', PIECE);
    cr_assert_eq(send(fd, bytes, PIECE, 0), PIECE);
    cr_assert_eq(receive(fd, bytes + PIECE, PIECE), PIECE);
    cr_expect_arr_eq(bytes, bytes + PIECE, PIECE);
    cr_expect_eq(world.agent.port, world.port, "the port of the connection's own name");
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    cr_expect_eq(receive(fd, bytes, 1), 0, "an end, and no reset");
    while (!world.agent.closed)
        (void) g_main_context_iteration(NULL, TRUE);
    finish(&world);
}

Test(port_forward, resets_what_a_guest_does_not_take, .timeout = 20)
{
    World world = { 0 };
    uint8_t byte;
    g_auto(CocoFd) fd = -1;

    begin(&world, false);
    fd = connect_to(&world);
    cr_expect_eq(receive(fd, &byte, 1), -1);
    cr_expect_eq(errno, ECONNRESET);
    finish(&world);
}

Test(port_forward, resets_what_is_open_at_its_end, .timeout = 20)
{
    World world = { 0 };
    uint8_t byte = 'x';
    g_auto(CocoFd) fd = -1;

    begin(&world, true);
    fd = connect_to(&world);
    cr_assert_eq(send(fd, &byte, 1, 0), 1);
    cr_assert_eq(receive(fd, &byte, 1), 1);
    finish(&world);
    cr_expect_eq(recv(fd, &byte, 1, 0), -1);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Connections to real listeners on this machine's loopback.
 */
#include "guest/pod/port-forward.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    bool done;
    uint64_t connection;
    GError *error;
} Outcome;

static void
on_connected(uint64_t connection, const GError *error, void *user_data)
{
    Outcome *outcome = user_data;

    outcome->done = true;
    outcome->connection = connection;
    outcome->error = error != NULL ? g_error_copy(error) : NULL;
}

static Outcome
connect_to(CocoGuestForwards *forwards, uint32_t port)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Outcome outcome = { 0 };

    coco_guest_forwards_connect(forwards, port, cancellable, on_connected, &outcome);
    while (!outcome.done)
        (void) g_main_context_iteration(NULL, TRUE);
    return outcome;
}

static void
expect_refused(CocoGuestForwards *forwards, uint32_t port, int code, const char *message)
{
    Outcome outcome = connect_to(forwards, port);

    cr_assert_not_null(outcome.error);
    cr_expect_eq(outcome.error->code, code, "%s", outcome.error->message);
    cr_expect_str_eq(outcome.error->message, message);
    g_clear_error(&outcome.error);
}

/* *out_port: its. */
static int
listen_with(int family, uint16_t *out_port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    bool is_v4 = family == AF_INET;
    struct sockaddr *address = is_v4 ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
    socklen_t length = is_v4 ? sizeof v4 : sizeof v6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, address, length) < 0)
        cr_skip_test("no such loopback");
    cr_assert_eq(listen(fd, COCO_GUEST_FORWARDS_MAX + 1), 0);
    cr_assert_eq(getsockname(fd, address, &length), 0);
    *out_port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
    return fd;
}

static void
on_read(const uint8_t *data, size_t length, const GError *error, void *user_data)
{
    GString *text = user_data;

    cr_assert_null(error);
    g_string_append_len(text, (const char *) data, (gssize) length);
    g_string_append_c(text, '.');
}

static void
on_written(const GError *error, void *user_data)
{
    cr_assert_null(error);
}

static void
expect_read(CocoGuestForwards *forwards, uint64_t connection, const char *wanted)
{
    g_autoptr(GString) text = g_string_new(NULL);

    coco_output_read(coco_guest_forwards_get_output(forwards, connection, NULL), 0, NULL, on_read,
                     text);
    while (text->len == 0)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_expect_str_eq(text->str, wanted);
}

static void
talk(int family)
{
    g_autoptr(CocoGuestForwards) forwards = coco_guest_forwards_new();
    uint16_t port = 0;
    g_auto(CocoFd) listener = listen_with(family, &port);
    Outcome outcome = connect_to(forwards, port);
    g_auto(CocoFd) peer = -1;
    char bytes[8] = "";

    cr_assert_null(outcome.error, "%s", outcome.error != NULL ? outcome.error->message : "");
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    coco_input_write(coco_guest_forwards_get_input(forwards, outcome.connection, NULL),
                     (const uint8_t *) "there", 5, NULL, on_written, NULL);
    coco_guest_forwards_close(forwards, outcome.connection, true);
    cr_expect_eq(recv(peer, bytes, sizeof bytes, MSG_WAITALL), 5);
    cr_expect_str_eq(bytes, "there");
    cr_assert_eq(send(peer, "back", 4, 0), 4);
    expect_read(forwards, outcome.connection, "back.");
    cr_assert_eq(shutdown(peer, SHUT_WR), 0);
    expect_read(forwards, outcome.connection, ".");
    coco_guest_forwards_close(forwards, outcome.connection, false);
    cr_expect_null(coco_guest_forwards_get_output(forwards, outcome.connection, &outcome.error));
    cr_expect_eq(outcome.error->code, COCO_TTRPC_NOT_FOUND);
    g_clear_error(&outcome.error);
    coco_guest_forwards_close(forwards, outcome.connection, false);
}

Test(port_forward, ipv4, .timeout = 20)
{
    talk(AF_INET);
}

Test(port_forward, ipv6_where_nobody_listens_with_ipv4, .timeout = 20)
{
    talk(AF_INET6);
}

Test(port_forward, refusals, .timeout = 20)
{
    g_autoptr(CocoGuestForwards) forwards = coco_guest_forwards_new();
    uint16_t port = 0;
    g_autofree char *message = NULL;
    int listener = listen_with(AF_INET, &port);

    coco_fd_clear(&listener);
    message = g_strdup_printf("connect to port %u: Connection refused", port);
    expect_refused(forwards, port, COCO_TTRPC_UNAVAILABLE, message);
    expect_refused(forwards, 0, COCO_TTRPC_INVALID_ARGUMENT, "no port 0");
    expect_refused(forwards, 65536, COCO_TTRPC_INVALID_ARGUMENT, "no port 65536");
}

Test(port_forward, so_many_at_once, .timeout = 20)
{
    g_autoptr(CocoGuestForwards) forwards = coco_guest_forwards_new();
    uint16_t port = 0;
    g_auto(CocoFd) listener = listen_with(AF_INET, &port);
    uint64_t last = 0;

    for (int i = 0; i < COCO_GUEST_FORWARDS_MAX; i++) {
        Outcome outcome = connect_to(forwards, port);

        cr_assert_null(outcome.error);
        last = outcome.connection;
    }
    expect_refused(forwards, port, COCO_TTRPC_RESOURCE_EXHAUSTED,
                   "there are 64 forwarded connections");
    coco_guest_forwards_close(forwards, last, false);
    cr_expect_gt(connect_to(forwards, port).connection, last);
}

/* Whoever asked is gone: the connection would be nobody's. */
Test(port_forward, nobody_waits, .timeout = 20)
{
    g_autoptr(CocoGuestForwards) forwards = coco_guest_forwards_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    uint16_t port = 0;
    g_auto(CocoFd) listener = listen_with(AF_INET, &port);
    g_auto(CocoFd) peer = -1;
    Outcome outcome = { 0 };
    char byte;

    g_cancellable_cancel(cancellable);
    coco_guest_forwards_connect(forwards, port, cancellable, on_connected, &outcome);
    while (!outcome.done)
        (void) g_main_context_iteration(NULL, TRUE);
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_expect_eq(recv(peer, &byte, 1, 0), 0);
}

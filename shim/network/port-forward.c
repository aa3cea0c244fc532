// SPDX-License-Identifier: Apache-2.0
/*
 * In each direction one piece is under way at a time, so that whoever does not read stops whoever
 * writes. Each call holds a reference to its connection, and what it brings counts only while the
 * connection is open.
 *
 * The call that connects is not cancelled: the guest would keep what nobody knows of.
 */
#include "shim/network/port-forward.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib-unix.h>

#include "guest-protocol/agent/agent-call.h"
#include "guest-protocol/posix/fd.h"
#include "shim/network/loopback.h"

#define PIECE_BYTES (64U << 10)
#define CONNECT_TIMEOUT_US (15 * G_USEC_PER_SEC)

struct _CocoPortForward {
    CocoTtrpcClient *agent;
    int fds[COCO_LOOPBACK_FDS_MAX];
    unsigned int sources[COCO_LOOPBACK_FDS_MAX];
    unsigned int n;
    GHashTable *connections; /* a set; a reference each */
};

typedef struct {
    CocoPortForward *forward; /* NULL: it is over */
    CocoFd fd;
    unsigned int port;
    uint64_t number; /* the guest's; 0 before it is connected */
    GCancellable *cancellable;
    unsigned int readable;
    unsigned int writable;
    Coco__ForwardReadResponse *piece; /* to whoever connected, not yet written whole */
    size_t written;
    bool to_guest_ended;
    bool from_guest_ended;
} Connection;

static void
clear(void *data)
{
    Connection *connection = data;

    coco_fd_clear(&connection->fd);
    if (connection->piece != NULL)
        coco__forward_read_response__free_unpacked(connection->piece, NULL);
    g_object_unref(connection->cancellable);
}

static void
unref(void *data)
{
    g_rc_box_release_full(data, clear);
}

static CocoAgentCall
call_of(Connection *connection, GAsyncReadyCallback callback)
{
    return (CocoAgentCall){ .client = connection->forward->agent,
                            .cancellable = connection->cancellable,
                            .callback = callback,
                            .user_data = g_rc_box_acquire(connection) };
}

static void
close_in_guest(const CocoPortForward *forward, uint64_t number, bool half)
{
    const CocoAgentCall call = { .client = forward->agent };

    if (number != 0)
        coco_agent_forward_close(&call, number, half);
}

/* Whoever connected sees a reset, or an end if everything was said. */
static void
end(Connection *connection)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    CocoPortForward *forward = g_steal_pointer(&connection->forward);

    if (forward == NULL)
        return;
    if (!connection->from_guest_ended)
        (void) setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    g_cancellable_cancel(connection->cancellable);
    g_clear_handle_id(&connection->readable, g_source_remove);
    g_clear_handle_id(&connection->writable, g_source_remove);
    coco_fd_clear(&connection->fd);
    close_in_guest(forward, connection->number, false);
    (void) g_hash_table_remove(forward->connections, connection);
}

static void
end_when_both(Connection *connection)
{
    if (connection->to_guest_ended && connection->from_guest_ended)
        end(connection);
}

/* ---- to the guest ---- */

static gboolean on_readable(int fd, GIOCondition condition, void *user_data);

static void
end_to_guest(Connection *connection)
{
    connection->to_guest_ended = true;
    close_in_guest(connection->forward, connection->number, true);
    end_when_both(connection);
}

static void
on_taken(GObject *source, GAsyncResult *result, void *user_data)
{
    Connection *connection = user_data;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, NULL);

    if (connection->forward != NULL && reply == NULL)
        end_to_guest(connection); /* nobody reads there; something may come yet */
    else if (connection->forward != NULL)
        connection->readable = g_unix_fd_add(connection->fd, G_IO_IN, on_readable, connection);
    unref(connection);
}

static gboolean
on_readable(int fd, GIOCondition condition, void *user_data)
{
    Connection *connection = user_data;
    g_autofree uint8_t *bytes = g_malloc(PIECE_BYTES);
    ssize_t n = read(fd, bytes, PIECE_BYTES);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    connection->readable = 0;
    if (n > 0) {
        CocoAgentCall call = call_of(connection, on_taken);

        coco_agent_forward_write(&call, connection->number, bytes, (size_t) n);
    } else if (n == 0) {
        end_to_guest(connection);
    } else {
        end(connection);
    }
    return G_SOURCE_REMOVE;
}

/* ---- from the guest ---- */

static void write_piece(Connection *connection);
static void on_piece(GObject *source, GAsyncResult *result, void *user_data);

static void
ask_for_piece(Connection *connection)
{
    CocoAgentCall call = call_of(connection, on_piece);

    coco_agent_forward_read(&call, connection->number, PIECE_BYTES);
}

static gboolean
on_writable(int fd, GIOCondition condition, void *user_data)
{
    Connection *connection = user_data;

    connection->writable = 0;
    write_piece(connection);
    return G_SOURCE_REMOVE;
}

static void
write_piece(Connection *connection)
{
    const ProtobufCBinaryData *data = &connection->piece->data;
    ssize_t n = send(connection->fd, data->data + connection->written,
                     data->len - connection->written, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        end(connection);
        return;
    }
    connection->written += (size_t) MAX(n, 0);
    if (connection->written < data->len) {
        connection->writable = g_unix_fd_add(connection->fd, G_IO_OUT, on_writable, connection);
        return;
    }
    coco__forward_read_response__free_unpacked(g_steal_pointer(&connection->piece), NULL);
    connection->written = 0;
    ask_for_piece(connection);
}

static void
on_piece(GObject *source, GAsyncResult *result, void *user_data)
{
    Connection *connection = user_data;
    g_autoptr(Coco__ForwardReadResponse) reply =
        (Coco__ForwardReadResponse *) coco_ttrpc_client_call_finish(result, NULL);

    if (connection->forward != NULL && reply == NULL) {
        end(connection);
    } else if (connection->forward != NULL && reply->data.len == 0) {
        connection->from_guest_ended = true;
        (void) shutdown(connection->fd, SHUT_WR);
        end_when_both(connection);
    } else if (connection->forward != NULL) {
        connection->piece = g_steal_pointer(&reply);
        write_piece(connection);
    }
    unref(connection);
}

/* ---- the beginning ---- */

static void
on_connected(GObject *source, GAsyncResult *result, void *user_data)
{
    Connection *connection = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(Coco__ForwardConnectResponse) reply =
        (Coco__ForwardConnectResponse *) coco_ttrpc_client_call_finish(result, &error);

    if (connection->forward != NULL && reply == NULL) {
        g_message("forward port %u of the pod: %s", connection->port, error->message);
        end(connection);
    } else if (connection->forward != NULL) {
        connection->number = reply->connection;
        connection->readable = g_unix_fd_add(connection->fd, G_IO_IN, on_readable, connection);
        ask_for_piece(connection);
    }
    unref(connection);
}

/* The port that it was made to; 0 for none. */
static unsigned int
port_of(int fd)
{
    struct sockaddr_storage name = { 0 };
    socklen_t length = sizeof name;

    if (getsockname(fd, (struct sockaddr *) &name, &length) < 0)
        return 0;
    if (name.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *) (const void *) &name)->sin_port);
    return ntohs(((const struct sockaddr_in6 *) (const void *) &name)->sin6_port);
}

static gboolean
on_connection(int fd, GIOCondition condition, void *user_data)
{
    CocoPortForward *forward = user_data;
    g_auto(CocoFd) accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    Connection *connection;
    CocoAgentCall call;

    if (accepted < 0 || g_hash_table_size(forward->connections) >= COCO_PORT_FORWARD_MAX)
        return G_SOURCE_CONTINUE;
    connection = g_rc_box_new0(Connection);
    connection->forward = forward;
    connection->port = port_of(accepted);
    connection->fd = coco_fd_steal(&accepted);
    connection->cancellable = g_cancellable_new();
    (void) g_hash_table_add(forward->connections, connection);
    call = call_of(connection, on_connected);
    call.cancellable = NULL;
    call.timeout_us = CONNECT_TIMEOUT_US;
    coco_agent_forward_connect(&call, connection->port);
    return G_SOURCE_CONTINUE;
}

CocoPortForward *
coco_port_forward_new(CocoTtrpcClient *agent, int *fds, unsigned int n)
{
    CocoPortForward *forward = g_new0(CocoPortForward, 1);

    forward->agent = agent;
    forward->n = n;
    forward->connections = g_hash_table_new_full(NULL, NULL, unref, NULL);
    for (unsigned int i = 0; i < n; i++) {
        forward->fds[i] = coco_fd_steal(&fds[i]);
        if (i > 0)
            forward->sources[i] = g_unix_fd_add(forward->fds[i], G_IO_IN, on_connection, forward);
    }
    return forward;
}

void
coco_port_forward_free(CocoPortForward *forward)
{
    GHashTableIter iterator;
    void *connection;

    if (forward == NULL)
        return;
    for (unsigned int i = 0; i < forward->n; i++) {
        g_clear_handle_id(&forward->sources[i], g_source_remove);
        coco_fd_clear(&forward->fds[i]);
    }
    g_hash_table_iter_init(&iterator, forward->connections);
    while (g_hash_table_iter_next(&iterator, &connection, NULL)) {
        end(connection);
        g_hash_table_iter_init(&iterator, forward->connections);
    }
    g_hash_table_unref(forward->connections);
    g_free(forward);
}

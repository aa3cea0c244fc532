// SPDX-License-Identifier: Apache-2.0
/*
 * A connection is first tried with IPv4, then with IPv6, as container runtimes do it. The kernel
 * answers at once, unless the backlog of who listens is full: then there is a deadline.
 */
#include "guest/pod/port-forward.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define CONNECT_TIMEOUT_MS 10000
#define PORT_MAX 65535

struct _CocoGuestForwards {
    GHashTable *connections; /* number -> Connection, which are in use */
    uint64_t last;
};

typedef struct {
    CocoGuestForwards *forwards;
    uint64_t number;
    uint32_t port;
    int family; /* that is being tried */
    CocoFd fd;  /* the streams, which close theirs when they end, have duplicates */
    GSource *writable;
    GSource *timeout;
    GCancellable *cancellable;
    CocoGuestForwardDone done; /* NULL: it is open */
    void *user_data;
    CocoOutput *output;
    CocoInput *input;
} Connection;

static void
drop_sources(Connection *connection)
{
    GSource **sources[] = { &connection->writable, &connection->timeout };

    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (*sources[i] != NULL)
            g_source_destroy(*sources[i]);
        g_clear_pointer(sources[i], g_source_unref);
    }
}

static void
connection_free(void *data)
{
    Connection *connection = data;
    CocoGuestForwardDone done = g_steal_pointer(&connection->done);

    drop_sources(connection);
    coco_fd_clear(&connection->fd);
    coco_output_free(connection->output);
    coco_input_free(connection->input);
    if (done != NULL) {
        g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED,
                                                      "the connection is given up");

        done(0, error, connection->user_data);
    }
    g_clear_object(&connection->cancellable);
    g_free(connection);
}

CocoGuestForwards *
coco_guest_forwards_new(void)
{
    CocoGuestForwards *forwards = g_new0(CocoGuestForwards, 1);

    forwards->connections =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, connection_free);
    return forwards;
}

void
coco_guest_forwards_free(CocoGuestForwards *forwards)
{
    if (forwards == NULL)
        return;
    g_hash_table_unref(forwards->connections);
    g_free(forwards);
}

/* ---- opening ---- */

static void
finish(Connection *connection, const GError *error)
{
    CocoGuestForwardDone done = g_steal_pointer(&connection->done);
    void *user_data = connection->user_data;
    uint64_t number = connection->number;

    drop_sources(connection);
    if (error != NULL || g_cancellable_is_cancelled(connection->cancellable))
        (void) g_hash_table_remove(connection->forwards->connections, &connection->number);
    done(number, error, user_data);
}

static void
fail(Connection *connection, int number)
{
    g_autoptr(GError) error =
        g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "connect to port %u: %s",
                    connection->port, g_strerror(number));

    finish(connection, error);
}

static void
open_streams(Connection *connection)
{
    g_auto(CocoFd) out = fcntl(connection->fd, F_DUPFD_CLOEXEC, 3);
    g_auto(CocoFd) in = fcntl(connection->fd, F_DUPFD_CLOEXEC, 3);

    if (out < 0 || in < 0) {
        fail(connection, EMFILE);
        return;
    }
    connection->output = coco_output_new(coco_fd_steal(&out));
    connection->input = coco_input_new(coco_fd_steal(&in));
    finish(connection, NULL);
}

static bool
begin(Connection *connection)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) connection->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = v4.sin_port,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    bool is_v4 = connection->family == AF_INET;
    const struct sockaddr *address = is_v4 ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;

    coco_fd_clear(&connection->fd);
    connection->fd = socket(connection->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return connection->fd >= 0 &&
           connect(connection->fd, address, is_v4 ? sizeof v4 : sizeof v6) == 0;
}

static gboolean on_writable(int fd, GIOCondition condition, void *user_data);

static void
try_family(Connection *connection, int family)
{
    connection->family = family;
    if (begin(connection)) {
        open_streams(connection);
    } else if (connection->fd >= 0 && errno == EINPROGRESS) {
        connection->writable = g_unix_fd_source_new(connection->fd, G_IO_OUT);
        g_source_set_callback(connection->writable, G_SOURCE_FUNC(on_writable), connection, NULL);
        g_source_attach(connection->writable, g_main_context_get_thread_default());
    } else if (family == AF_INET) {
        try_family(connection, AF_INET6);
    } else {
        fail(connection, errno);
    }
}

static gboolean
on_writable(int fd, GIOCondition condition, void *user_data)
{
    Connection *connection = user_data;
    int failure = 0;
    socklen_t length = sizeof failure;

    (void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length);
    g_source_destroy(connection->writable);
    g_clear_pointer(&connection->writable, g_source_unref);
    if (failure == 0)
        open_streams(connection);
    else if (connection->family == AF_INET)
        try_family(connection, AF_INET6);
    else
        fail(connection, failure);
    return G_SOURCE_REMOVE;
}

static gboolean
on_timeout(void *user_data)
{
    fail(user_data, ETIMEDOUT);
    return G_SOURCE_REMOVE;
}

void
coco_guest_forwards_connect(CocoGuestForwards *forwards, uint32_t port, GCancellable *cancellable,
                            CocoGuestForwardDone done, void *user_data)
{
    g_autoptr(GError) error = NULL;
    Connection *connection;

    if (port == 0 || port > PORT_MAX)
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT, "no port %u", port);
    else if (g_hash_table_size(forwards->connections) >= COCO_GUEST_FORWARDS_MAX)
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                            "there are %d forwarded connections", COCO_GUEST_FORWARDS_MAX);
    if (error != NULL) {
        done(0, error, user_data);
        return;
    }
    connection = g_new0(Connection, 1);
    *connection = (Connection){ .forwards = forwards,
                                .number = ++forwards->last,
                                .port = port,
                                .fd = -1,
                                .cancellable = g_object_ref(cancellable),
                                .done = done,
                                .user_data = user_data };
    (void) g_hash_table_insert(forwards->connections, &connection->number, connection);
    connection->timeout = g_timeout_source_new(CONNECT_TIMEOUT_MS);
    g_source_set_callback(connection->timeout, on_timeout, connection, NULL);
    g_source_attach(connection->timeout, g_main_context_get_thread_default());
    try_family(connection, AF_INET);
}

/* ---- using ---- */

static Connection *
find_open(CocoGuestForwards *forwards, uint64_t number, GError **error)
{
    Connection *connection = g_hash_table_lookup(forwards->connections, &number);

    if (connection != NULL && connection->done == NULL)
        return connection;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND,
                "no forwarded connection %" G_GUINT64_FORMAT, number);
    return NULL;
}

CocoOutput *
coco_guest_forwards_get_output(CocoGuestForwards *forwards, uint64_t connection, GError **error)
{
    Connection *found = find_open(forwards, connection, error);

    return found != NULL ? found->output : NULL;
}

CocoInput *
coco_guest_forwards_get_input(CocoGuestForwards *forwards, uint64_t connection, GError **error)
{
    Connection *found = find_open(forwards, connection, error);

    return found != NULL ? found->input : NULL;
}

void
coco_guest_forwards_close(CocoGuestForwards *forwards, uint64_t connection, bool half)
{
    Connection *found = find_open(forwards, connection, NULL);

    if (found != NULL && half)
        (void) shutdown(found->fd, SHUT_WR);
    else if (found != NULL)
        (void) g_hash_table_remove(forwards->connections, &connection);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A ttrpc server: its services, the sockets it listens on, and its connections
 * (ttrpc-connection.c).
 *
 * When descriptors or memory run out, accept() fails while the socket stays readable. Listening
 * then stops for a moment or until a connection closes, so that the loop does not spin; who wants
 * to connect waits in the backlog.
 */
#include "guest-protocol/ttrpc/ttrpc-server.h"

#include <errno.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/ttrpc-connection.h"

typedef struct {
    const CocoTtrpcService *service;
    void *user_data;
} Entry;

typedef struct {
    CocoTtrpcServer *server;
    int fd;
    bool only_known;
    GSource *source; /* for the next connection, or the pause */
} Listener;

struct _CocoTtrpcServer {
    GMainContext *context;
    GArray *services; /* Entry */
    GPtrArray *listeners;
    GPtrArray *connections;
    CocoTtrpcServerClosedFunc closed_func;
    void *closed_data;
    CocoTtrpcGateFunc gate_func; /* nullable */
    void *gate_data;
};

static void watch_listener(Listener *listener);

static const CocoTtrpcMethod *
find_method(void *user_data, const char *service, const char *method, bool *out_service_known,
            void **out_service_data)
{
    const CocoTtrpcServer *server = user_data;

    for (unsigned int i = 0; i < server->services->len; i++) {
        const Entry *entry = &g_array_index(server->services, Entry, i);

        if (!g_str_equal(entry->service->name, service))
            continue;
        *out_service_known = true;
        *out_service_data = entry->user_data;
        for (size_t j = 0; j < entry->service->n_methods; j++) {
            if (g_str_equal(entry->service->methods[j].name, method))
                return &entry->service->methods[j];
        }
    }
    return NULL;
}

static void
handle_call(void *user_data, CocoTtrpcCall *call, const CocoTtrpcMethod *method, void *service_data)
{
    const CocoTtrpcServer *server = user_data;

    if (server->gate_func != NULL)
        server->gate_func(call, method, service_data, server->gate_data);
    else
        method->handler(call, service_data);
}

static void
drop_source(Listener *listener)
{
    if (listener->source != NULL)
        g_source_destroy(listener->source);
    g_clear_pointer(&listener->source, g_source_unref);
}

static void
set_source(Listener *listener, GSource *source, GSourceFunc callback)
{
    drop_source(listener);
    listener->source = source;
    g_source_set_callback(source, callback, listener, NULL);
    g_source_attach(source, listener->server->context);
}

static gboolean
on_pause_timeout(void *user_data)
{
    watch_listener(user_data);
    return G_SOURCE_REMOVE;
}

static void
pause_listener(Listener *listener)
{
    set_source(listener, g_timeout_source_new(COCO_TTRPC_ACCEPT_PAUSE_MS), on_pause_timeout);
}

static bool
runs_as_we_do(int fd)
{
    struct ucred peer = { .uid = (uid_t) -1, .gid = (gid_t) -1 };
    socklen_t length = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid() &&
           peer.gid == getegid();
}

/* Not a process of this machine that came by the loopback (CID 1, or our own). */
static bool
is_the_host(int fd)
{
    struct sockaddr_vm peer = { .svm_cid = VMADDR_CID_ANY };
    socklen_t length = sizeof peer;

    return getpeername(fd, (struct sockaddr *) &peer, &length) == 0 &&
           peer.svm_cid == VMADDR_CID_HOST;
}

static bool
is_known(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t length = sizeof domain;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
        return false;
    return domain == AF_UNIX ? runs_as_we_do(fd) : domain != AF_VSOCK || is_the_host(fd);
}

static bool
is_shortage(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

/* True while there may be another one waiting. */
static bool
accept_one(Listener *listener)
{
    g_auto(CocoFd) fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (is_shortage(errno))
            pause_listener(listener);
        return errno == ECONNABORTED || errno == EINTR;
    }
    if (!listener->only_known || is_known(fd))
        coco_ttrpc_server_add_connection(listener->server, coco_fd_steal(&fd));
    return true;
}

static gboolean
on_listener_ready(int fd, GIOCondition condition, void *user_data)
{
    for (unsigned int i = 0; i < COCO_TTRPC_ACCEPTS_PER_TURN; i++) {
        if (!accept_one(user_data))
            break;
    }
    return G_SOURCE_CONTINUE;
}

static void
watch_listener(Listener *listener)
{
    GSource *source = g_unix_fd_source_new(listener->fd, G_IO_IN);

    set_source(listener, source, G_SOURCE_FUNC(on_listener_ready));
}

static void
listener_free(Listener *listener)
{
    drop_source(listener);
    coco_fd_clear(&listener->fd);
    g_free(listener);
}

static void
on_connection_closed(void *user_data, CocoTtrpcConnection *connection)
{
    CocoTtrpcServer *server = user_data;

    g_ptr_array_remove_fast(server->connections, connection);
    /* A descriptor is free again. */
    for (unsigned int i = 0; i < server->listeners->len; i++)
        watch_listener(server->listeners->pdata[i]);
    if (server->closed_func != NULL)
        server->closed_func(server, server->connections->len, server->closed_data);
}

static const CocoTtrpcConnectionFuncs connection_funcs = {
    .find = find_method,
    .handle = handle_call,
    .on_closed = on_connection_closed,
};

CocoTtrpcServer *
coco_ttrpc_server_new(void)
{
    CocoTtrpcServer *server = g_new0(CocoTtrpcServer, 1);

    server->context = g_main_context_ref_thread_default();
    server->services = g_array_new(FALSE, FALSE, sizeof(Entry));
    server->listeners = g_ptr_array_new_with_free_func((GDestroyNotify) listener_free);
    server->connections =
        g_ptr_array_new_with_free_func((GDestroyNotify) coco_ttrpc_connection_free);
    return server;
}

void
coco_ttrpc_server_free(CocoTtrpcServer *server)
{
    if (server == NULL)
        return;
    g_ptr_array_unref(server->listeners);
    g_ptr_array_unref(server->connections);
    g_array_unref(server->services);
    g_main_context_unref(server->context);
    g_free(server);
}

void
coco_ttrpc_server_add_service(CocoTtrpcServer *server, const CocoTtrpcService *service,
                              void *user_data)
{
    Entry entry = { service, user_data };

    g_array_append_val(server->services, entry);
}

void
coco_ttrpc_server_listen(CocoTtrpcServer *server, int listen_fd, bool only_known)
{
    Listener *listener = g_new0(Listener, 1);

    (void) g_unix_set_fd_nonblocking(listen_fd, TRUE, NULL);
    listener->server = server;
    listener->fd = listen_fd;
    listener->only_known = only_known;
    g_ptr_array_add(server->listeners, listener);
    watch_listener(listener);
}

void
coco_ttrpc_server_add_connection(CocoTtrpcServer *server, int fd)
{
    g_ptr_array_add(server->connections,
                    coco_ttrpc_connection_new(fd, server->context, &connection_funcs, server));
}

void
coco_ttrpc_server_set_closed_func(CocoTtrpcServer *server, CocoTtrpcServerClosedFunc func,
                                  void *user_data)
{
    server->closed_func = func;
    server->closed_data = user_data;
}

void
coco_ttrpc_server_set_gate_func(CocoTtrpcServer *server, CocoTtrpcGateFunc func, void *user_data)
{
    server->gate_func = func;
    server->gate_data = user_data;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Connecting to and listening on an address. Connecting is non-blocking and tried again while the
 * other side is not there: a guest that still boots refuses vsock connections, answers with a
 * reset, or not at all; the socket file of a channel appears only when QEMU has started. One
 * deadline covers all tries.
 */
#include "guest-protocol/ttrpc/transport.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest-protocol/proto/wire-limits.h"

#define LISTEN_BACKLOG 64

typedef union {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_vm vm;
} SocketAddress;

typedef struct {
    GTask *task;
    char *text;
    SocketAddress address;
    socklen_t length;
    int fd;
    int last_errno; /* of the last try */
    int64_t timeout_us;
    GSource *ready; /* the try under way */
    GSource *pacer; /* the end of this try, or of the pause after it */
    GSource *deadline;
    GSource *cancelled;
} Connect;

static void start_try(Connect *c);

static bool
set_unix(const char *path, SocketAddress *address, socklen_t *length)
{
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof address->un.sun_path)
        return false;
    address->un.sun_family = AF_UNIX;
    memcpy(address->un.sun_path, path, size + 1);
    *length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + size + 1);
    return true;
}

/* "CID:PORT"; the CID -1 stands for any. */
static bool
set_vsock(const char *text, SocketAddress *address, socklen_t *length)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    gint64 cid;
    guint64 port;

    if (g_strv_length(parts) != 2 ||
        !g_ascii_string_to_signed(parts[0], 10, -1, UINT32_MAX, &cid, NULL) ||
        !g_ascii_string_to_unsigned(parts[1], 10, 0, UINT32_MAX, &port, NULL))
        return false;
    address->vm.svm_family = AF_VSOCK;
    address->vm.svm_cid = cid < 0 ? VMADDR_CID_ANY : (unsigned int) cid;
    address->vm.svm_port = (unsigned int) port;
    *length = sizeof address->vm;
    return true;
}

static bool
parse(const char *text, SocketAddress *out_address, socklen_t *out_length, GError **error)
{
    SocketAddress address;
    bool good = false;

    memset(&address, 0, sizeof address);
    if (g_str_has_prefix(text, "unix://"))
        good = set_unix(text + strlen("unix://"), &address, out_length);
    else if (g_str_has_prefix(text, "vsock://"))
        good = set_vsock(text + strlen("vsock://"), &address, out_length);
    if (!good)
        return coco_ttrpc_failed(
            error, COCO_TTRPC_INVALID_ARGUMENT,
            "address '%s': neither unix:///PATH (under 108 bytes) nor vsock://CID:PORT", text);
    *out_address = address;
    return true;
}

static void
drop_source(GSource **source)
{
    if (*source != NULL)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void
end_try(Connect *c)
{
    drop_source(&c->ready);
    drop_source(&c->pacer);
    coco_fd_clear(&c->fd);
}

static void
connect_free(Connect *c)
{
    end_try(c);
    drop_source(&c->deadline);
    drop_source(&c->cancelled);
    g_free(c->text);
    g_free(c);
}

static void
set_source(Connect *c, GSource **place, GSource *source, GSourceFunc callback)
{
    drop_source(place);
    *place = source;
    g_source_set_callback(source, callback, c, NULL);
    g_source_attach(source, g_task_get_context(c->task));
}

static void
succeed(Connect *c)
{
    g_autoptr(GTask) task = c->task;
    int fd = coco_fd_steal(&c->fd);

    connect_free(c);
    g_task_return_int(task, fd);
}

/* error: (transfer full) */
static void
fail(Connect *c, GError *error)
{
    g_autoptr(GTask) task = c->task;

    connect_free(c);
    g_task_return_error(task, error);
}

static gboolean
on_deadline_timeout(void *user_data)
{
    Connect *c = user_data;

    fail(c, g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                        "connect to '%s': nobody there within %.3g s (%s)", c->text,
                        (double) c->timeout_us / G_USEC_PER_SEC, g_strerror(c->last_errno)));
    return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled(GCancellable *cancellable, void *user_data)
{
    Connect *c = user_data;

    fail(c, g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED, "connect to '%s': cancelled",
                        c->text));
    return G_SOURCE_REMOVE;
}

static gboolean
on_pause_timeout(void *user_data)
{
    start_try(user_data);
    return G_SOURCE_REMOVE;
}

static bool
is_absence(int errnum)
{
    switch (errnum) {
    case ENOENT:       /* no socket file yet */
    case ECONNREFUSED: /* nobody listens (unix) */
    case ECONNRESET:   /* nobody listens (vsock) */
    case ENODEV:       /* no guest of that CID yet */
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EAGAIN: /* backlog is full */
    case EPIPE:
        return true;
    default:
        return false;
    }
}

static void
try_failed(Connect *c, int errnum)
{
    end_try(c);
    c->last_errno = errnum;
    if (is_absence(errnum))
        set_source(c, &c->pacer, g_timeout_source_new(COCO_TRANSPORT_RETRY_MS), on_pause_timeout);
    else
        fail(c, g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "connect to '%s': %s",
                            c->text, g_strerror(errnum)));
}

static gboolean
on_connect_ready(int fd, GIOCondition condition, void *user_data)
{
    Connect *c = user_data;
    int errnum = 0;
    socklen_t length = sizeof errnum;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &length) < 0)
        errnum = errno;
    if (errnum == 0)
        succeed(c);
    else
        try_failed(c, errnum);
    return G_SOURCE_REMOVE;
}

static gboolean
on_try_timeout(void *user_data)
{
    try_failed(user_data, ETIMEDOUT);
    return G_SOURCE_REMOVE;
}

static void
start_try(Connect *c)
{
    end_try(c);
    c->fd = socket(c->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        try_failed(c, errno);
    } else if (connect(c->fd, &c->address.any, c->length) == 0) {
        succeed(c);
    } else if (errno == EINPROGRESS) {
        set_source(c, &c->ready, g_unix_fd_source_new(c->fd, G_IO_OUT),
                   G_SOURCE_FUNC(on_connect_ready));
        set_source(c, &c->pacer, g_timeout_source_new(COCO_TRANSPORT_TRY_MS), on_try_timeout);
    } else {
        try_failed(c, errno);
    }
}

void
coco_transport_connect_async(const char *address, int64_t timeout_us, GCancellable *cancellable,
                             GAsyncReadyCallback callback, void *user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, user_data);
    Connect *c = g_new0(Connect, 1);
    GError *error = NULL;

    g_task_set_source_tag(task, coco_transport_connect_async);
    c->task = g_steal_pointer(&task);
    c->text = g_strdup(address);
    c->fd = -1;
    c->timeout_us = timeout_us;
    if (!parse(address, &c->address, &c->length, &error)) {
        fail(c, error);
        return;
    }
    if (timeout_us > 0)
        set_source(c, &c->deadline,
                   g_timeout_source_new((guint) MIN(timeout_us / 1000 + 1, (int64_t) G_MAXUINT)),
                   on_deadline_timeout);
    if (cancellable != NULL)
        set_source(c, &c->cancelled, g_cancellable_source_new(cancellable),
                   G_SOURCE_FUNC(on_cancelled));
    start_try(c);
}

int
coco_transport_connect_finish(GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, NULL), -1);
    return (int) g_task_propagate_int(G_TASK(result), error);
}

int
coco_transport_listen(const char *address, GError **error)
{
    SocketAddress where;
    socklen_t length = 0;
    g_auto(CocoFd) fd = -1;

    if (!parse(address, &where, &length, error))
        return -1;
    fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, &where.any, length) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "listen on '%s': %s", address,
                    g_strerror(errno));
        return -1;
    }
    return coco_fd_steal(&fd);
}

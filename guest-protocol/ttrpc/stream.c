// SPDX-License-Identifier: Apache-2.0
/*
 * One GSource a stream. A plain descriptor is polled by the loop itself. A port is put,
 * edge-triggered, in an epoll descriptor of its own, and the loop polls that; what edge-triggering
 * then asks for (read and write until it would block, try again after a pause) is done by making
 * the source ready once more.
 *
 * A callback may free the stream. Then the source is destroyed and `funcs` is NULL, but the struct
 * stays until the turn that called it is over (`busy`).
 */
#include "guest-protocol/ttrpc/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/wire-limits.h"

typedef struct {
    uint8_t *data;
    size_t length;
    size_t done;
} Chunk;

struct _CocoStream {
    int fd;
    int epoll_fd; /* -1 for a plain descriptor */
    bool is_socket;
    GSource *source;
    void *tag;
    GIOCondition events;          /* what the loop waits for, plain only */
    const CocoStreamFuncs *funcs; /* NULL: freed */
    void *user_data;

    GQueue chunks; /* Chunk*, to be written */
    size_t queued;
    size_t high_mark;
    bool over_mark;

    bool reading;
    bool present;    /* somebody is or was at the other end */
    int write_errno; /* writing is over, reading not yet */
    unsigned int busy;
};

typedef struct {
    GSource parent;
    CocoStream *stream;
} StreamSource;

static void
chunk_free(Chunk *chunk)
{
    g_free(chunk->data);
    g_free(chunk);
}

static void
again(CocoStream *stream)
{
    g_source_set_ready_time(stream->source, 0);
}

/* Tells the loop what to wait for. */
static void
watch(CocoStream *stream)
{
    GIOCondition events = 0;

    if (stream->epoll_fd >= 0)
        return;
    if (stream->reading)
        events |= G_IO_IN;
    if (stream->queued > 0)
        events |= G_IO_OUT;
    if (events == stream->events)
        return; /* telling GLib costs a system call */
    stream->events = events;
    g_source_modify_unix_fd(stream->source, stream->tag, events);
}

static void
close_now(CocoStream *stream, int errnum)
{
    g_autoptr(GError) reason = NULL;
    const CocoStreamFuncs *funcs = stream->funcs;

    if (errnum != 0)
        g_set_error_literal(&reason, G_IO_ERROR, g_io_error_from_errno(errnum), g_strerror(errnum));
    g_source_destroy(stream->source);
    stream->funcs = NULL;
    funcs->on_closed(stream->user_data, reason);
}

/* Forgets what was to be written. Whatever has arrived is still read, so the end is reported by the
 * loop. */
static void
fail_writing(CocoStream *stream, int errnum)
{
    g_queue_clear_full(&stream->chunks, (GDestroyNotify) chunk_free);
    stream->queued = 0;
    stream->write_errno = errnum;
    again(stream);
}

static void
drop_written(CocoStream *stream, size_t n)
{
    stream->queued -= n;
    while (n > 0) {
        Chunk *chunk = g_queue_peek_head(&stream->chunks);
        size_t part = MIN(n, chunk->length - chunk->done);

        chunk->done += part;
        n -= part;
        if (chunk->done == chunk->length)
            chunk_free(g_queue_pop_head(&stream->chunks));
    }
}

static ssize_t
write_some(CocoStream *stream)
{
    struct iovec iov[COCO_STREAM_MAX_IOV];
    struct msghdr message = { .msg_iov = iov };
    int n = 0;

    for (GList *l = stream->chunks.head; l != NULL && n < (int) COCO_STREAM_MAX_IOV; l = l->next) {
        Chunk *chunk = l->data;

        iov[n].iov_base = chunk->data + chunk->done;
        iov[n].iov_len = chunk->length - chunk->done;
        n++;
    }
    if (!stream->is_socket)
        return writev(stream->fd, iov, n);
    message.msg_iovlen = (size_t) n;
    return sendmsg(stream->fd, &message, MSG_NOSIGNAL);
}

static void
flush(CocoStream *stream)
{
    while (stream->queued > 0) {
        ssize_t n = write_some(stream);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            fail_writing(stream, errno);
        if (n <= 0)
            break;
        drop_written(stream, (size_t) n);
    }
}

/* True while there may be more to read. */
static bool
read_once(CocoStream *stream)
{
    size_t size = 0;
    uint8_t *space = stream->funcs->get_space(stream->user_data, &size);
    ssize_t n;

    do
        n = read(stream->fd, space, size);
    while (n < 0 && errno == EINTR);

    if (n > 0) {
        stream->present = true;
        stream->funcs->on_received(stream->user_data, (size_t) n);
        return stream->funcs != NULL && stream->reading;
    }
    /* EIO: the other side of a terminal is closed. */
    if (n == 0 || errno == EIO) {
        if (stream->epoll_fd < 0 || stream->present)
            close_now(stream, stream->write_errno);
    } else if (errno != EAGAIN) {
        close_now(stream, errno);
    } else {
        stream->present = true;
    }
    return false;
}

static void
read_turn(CocoStream *stream)
{
    for (unsigned int i = 0; i < COCO_STREAM_READS_PER_TURN; i++) {
        if (!read_once(stream))
            return;
    }
    if (stream->epoll_fd >= 0 || stream->write_errno != 0)
        again(stream);
}

static void
turn(CocoStream *stream, GIOCondition condition)
{
    if (stream->queued > 0)
        flush(stream);
    if (stream->reading) {
        bool more = stream->write_errno == 0;

        read_turn(stream);
        /* Writing failed and nothing was left to read when this turn ended. */
        if (stream->funcs != NULL && !more && g_source_get_ready_time(stream->source) != 0)
            close_now(stream, stream->write_errno);
    } else if (stream->write_errno != 0 ||
               (stream->epoll_fd < 0 && (condition & (G_IO_HUP | G_IO_ERR)) != 0)) {
        close_now(stream, stream->write_errno != 0 ? stream->write_errno : EPIPE);
    }
    if (stream->funcs != NULL && stream->over_mark && stream->queued <= stream->high_mark / 2) {
        stream->over_mark = false;
        stream->funcs->on_drained(stream->user_data);
    }
}

static void
destroy(CocoStream *stream)
{
    g_queue_clear_full(&stream->chunks, (GDestroyNotify) chunk_free);
    g_source_unref(stream->source);
    g_free(stream);
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, void *user_data)
{
    CocoStream *stream = ((StreamSource *) source)->stream;
    struct epoll_event event;

    g_source_set_ready_time(source, -1);
    if (stream->epoll_fd >= 0)
        (void) epoll_wait(stream->epoll_fd, &event, 1, 0); /* takes the edge */

    stream->busy++;
    turn(stream, g_source_query_unix_fd(source, stream->tag));
    stream->busy--;
    if (stream->fd < 0) {
        if (stream->busy == 0)
            destroy(stream);
        return G_SOURCE_REMOVE;
    }
    if (stream->funcs == NULL)
        return G_SOURCE_REMOVE;
    watch(stream);
    return G_SOURCE_CONTINUE;
}

/* The descriptor that the loop polls. */
static int
setup_fd(CocoStream *stream, CocoStreamKind kind)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
    struct stat st = { 0 };

    (void) g_unix_set_fd_nonblocking(stream->fd, TRUE, NULL);
    (void) fstat(stream->fd, &st);
    stream->is_socket = S_ISSOCK(st.st_mode);
    stream->epoll_fd = -1;
    if (kind == COCO_STREAM_AUTO && S_ISCHR(st.st_mode) && isatty(stream->fd) == 0)
        kind = COCO_STREAM_PORT;
    if (kind != COCO_STREAM_PORT)
        return stream->fd;
    stream->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(stream->epoll_fd, EPOLL_CTL_ADD, stream->fd, &event) < 0)
        coco_fd_clear(&stream->epoll_fd); /* not a thing to be watched: the plain way will tell */
    return stream->epoll_fd >= 0 ? stream->epoll_fd : stream->fd;
}

CocoStream *
coco_stream_new(int fd, CocoStreamKind kind, GMainContext *context, const CocoStreamFuncs *funcs,
                size_t high_mark, void *user_data)
{
    /* Never written; g_source_new() takes it without const. */
    static GSourceFuncs source_funcs = { .dispatch = dispatch };
    CocoStream *stream = g_new0(CocoStream, 1);

    stream->fd = fd;
    stream->funcs = funcs;
    stream->user_data = user_data;
    stream->high_mark = high_mark;
    stream->reading = true;
    stream->events = G_IO_IN;
    g_queue_init(&stream->chunks);
    stream->source = g_source_new(&source_funcs, sizeof(StreamSource));
    ((StreamSource *) stream->source)->stream = stream;
    stream->tag = g_source_add_unix_fd(stream->source, setup_fd(stream, kind), G_IO_IN);
    g_source_set_static_name(stream->source, "coco-stream");
    g_source_attach(stream->source,
                    context != NULL ? context : g_main_context_get_thread_default());
    if (stream->epoll_fd >= 0)
        again(stream); /* finds out whether somebody is there */
    return stream;
}

void
coco_stream_free(CocoStream *stream)
{
    if (stream == NULL)
        return;
    g_source_destroy(stream->source);
    stream->funcs = NULL;
    coco_fd_clear(&stream->epoll_fd);
    coco_fd_clear(&stream->fd);
    if (stream->busy == 0)
        destroy(stream);
}

void
coco_stream_write(CocoStream *stream, uint8_t *data, size_t length)
{
    Chunk *chunk;

    if (length == 0 || stream->funcs == NULL || stream->write_errno != 0) {
        g_free(data);
        return;
    }
    chunk = g_new0(Chunk, 1);
    chunk->data = data;
    chunk->length = length;
    g_queue_push_tail(&stream->chunks, chunk);
    stream->queued += length;
    if (stream->queued == length)
        flush(stream);
    if (stream->queued > stream->high_mark)
        stream->over_mark = true;
    watch(stream);
}

size_t
coco_stream_get_queued(const CocoStream *stream)
{
    return stream->queued;
}

void
coco_stream_set_reading(CocoStream *stream, bool reading)
{
    if (stream->funcs == NULL || stream->reading == reading)
        return;
    stream->reading = reading;
    watch(stream);
    if (reading && stream->epoll_fd >= 0)
        again(stream); /* the edge may have passed meanwhile */
}

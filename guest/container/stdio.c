// SPDX-License-Identifier: Apache-2.0
/*
 * See the header. Callbacks may free the stream they come from, so a stream is counted while it
 * serves, and every round looks again whether it was closed.
 */
#include "guest/container/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define PIPE_SIZE (1 << 20)
/* For descriptors that do not tell how much there is, and to find out whether there is anything. */
#define PROBE_SIZE 4096

typedef struct {
    size_t length;
    const uint8_t *data;
    size_t written;
    GCancellable *cancellable;
    CocoOutputDone output_done;
    CocoInputDone input_done;
    void *user_data;
} Request;

/* What both directions share. */
typedef struct {
    grefcount refs;
    CocoFd fd;
    GQueue requests;
    GSource *source;
} Stream;

struct _CocoOutput {
    Stream stream;
    bool end_told;
};

struct _CocoInput {
    Stream stream;
    bool closing;
};

G_STATIC_ASSERT(G_STRUCT_OFFSET(CocoOutput, stream) == 0);
G_STATIC_ASSERT(G_STRUCT_OFFSET(CocoInput, stream) == 0);

static void
request_end(Request *request, const uint8_t *data, size_t length, const GError *error)
{
    if (request->output_done != NULL)
        request->output_done(data, length, error, request->user_data);
    else
        request->input_done(error, request->user_data);
    g_clear_object(&request->cancellable);
    g_free(request);
}

static void
request_fail(Request *request, CocoTtrpcCode code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, (int) code, text);

    request_end(request, NULL, 0, error);
}

static void
stream_init(Stream *stream, int fd)
{
    g_ref_count_init(&stream->refs);
    stream->fd = fd;
    g_queue_init(&stream->requests);
}

static void
stream_unref(Stream *stream)
{
    if (g_ref_count_dec(&stream->refs))
        g_free(stream);
}

static void
stream_unwatch(Stream *stream)
{
    if (stream->source == NULL)
        return;
    g_source_destroy(stream->source);
    g_clear_pointer(&stream->source, g_source_unref);
}

static void
stream_watch(Stream *stream, GIOCondition condition, GUnixFDSourceFunc func)
{
    if (stream->source != NULL || stream->fd < 0)
        return;
    stream->source = g_unix_fd_source_new(stream->fd, condition | G_IO_HUP | G_IO_ERR);
    g_source_set_callback(stream->source, G_SOURCE_FUNC(func), stream, NULL);
    g_source_attach(stream->source, g_main_context_get_thread_default());
}

static void
stream_close(Stream *stream)
{
    stream_unwatch(stream);
    coco_fd_clear(&stream->fd);
}

static void
stream_fail_all(Stream *stream, CocoTtrpcCode code, const char *text)
{
    Request *request;

    while ((request = g_queue_pop_head(&stream->requests)) != NULL)
        request_fail(request, code, text);
}

/* The first request somebody still waits for. One that was partly written must be finished: its
 * rest belongs to the byte stream whoever listens. */
static Request *
stream_first(Stream *stream)
{
    Request *request;

    while ((request = g_queue_peek_head(&stream->requests)) != NULL) {
        if (request->written > 0 || request->cancellable == NULL ||
            !g_cancellable_is_cancelled(request->cancellable))
            return request;
        request_fail(g_queue_pop_head(&stream->requests), COCO_TTRPC_CANCELLED, "caller is gone");
    }
    return NULL;
}

static bool
stream_add(Stream *stream, Request *request)
{
    if (g_queue_get_length(&stream->requests) >= COCO_STDIO_WAITING_MAX)
        (void) stream_first(stream);
    if (g_queue_get_length(&stream->requests) >= COCO_STDIO_WAITING_MAX) {
        request_fail(request, COCO_TTRPC_RESOURCE_EXHAUSTED,
                     "too many requests wait on this stream");
        return false;
    }
    g_queue_push_tail(&stream->requests, request);
    return true;
}

static void
stream_free(Stream *stream)
{
    stream_close(stream);
    stream_fail_all(stream, COCO_TTRPC_CANCELLED, "the process was removed");
    stream_unref(stream);
}

/* ---- from the process ---- */

static size_t
read_size(int fd, size_t max)
{
    int there = 0;

    if (ioctl(fd, FIONREAD, &there) < 0 || there <= 0)
        return MIN(max, PROBE_SIZE);
    return MIN(max, (size_t) there);
}

/* Serves one request; false when there is nothing to read yet. */
static bool
output_serve_one(CocoOutput *output, const Request *waiting)
{
    Stream *stream = &output->stream;
    size_t size = read_size(stream->fd, waiting->length);
    g_autofree uint8_t *buffer = g_malloc(size);
    ssize_t got = read(stream->fd, buffer, size);

    if (got < 0 && errno == EINTR)
        return true;
    if (got < 0 && errno == EAGAIN)
        return false;
    /* A terminal whose last user is gone reads as EIO; for us that is its end, as any other error
     * is. */
    if (got <= 0)
        stream_close(stream);
    else
        request_end(g_queue_pop_head(&stream->requests), buffer, (size_t) got, NULL);
    return true;
}

static void
output_end(CocoOutput *output)
{
    Stream *stream = &output->stream;

    while (stream_first(stream) != NULL) {
        Request *request = g_queue_pop_head(&stream->requests);

        if (output->end_told) {
            request_fail(request, COCO_TTRPC_OUT_OF_RANGE, "EOF");
        } else {
            output->end_told = true;
            request_end(request, NULL, 0, NULL);
        }
    }
}

static gboolean on_output_ready(int fd, GIOCondition condition, void *user_data);

static void
output_serve(CocoOutput *output)
{
    Stream *stream = &output->stream;
    const Request *request;

    g_ref_count_inc(&stream->refs);
    while (stream->fd >= 0 && (request = stream_first(stream)) != NULL) {
        if (!output_serve_one(output, request))
            break;
    }
    if (stream->fd < 0)
        output_end(output);
    if (g_queue_is_empty(&stream->requests))
        stream_unwatch(stream);
    else
        stream_watch(stream, G_IO_IN, on_output_ready);
    stream_unref(stream);
}

static gboolean
on_output_ready(int fd, GIOCondition condition, void *user_data)
{
    output_serve(user_data);
    return G_SOURCE_CONTINUE;
}

CocoOutput *
coco_output_new(int fd)
{
    CocoOutput *output = g_new0(CocoOutput, 1);

    stream_init(&output->stream, fd);
    return output;
}

void
coco_output_free(CocoOutput *output)
{
    if (output != NULL)
        stream_free(&output->stream);
}

void
coco_output_read(CocoOutput *output, size_t max, GCancellable *cancellable, CocoOutputDone done,
                 void *user_data)
{
    Request *request = g_new0(Request, 1);

    request->length = max == 0 ? COCO_STDIO_READ_MAX : MIN(max, COCO_STDIO_READ_MAX);
    request->cancellable = cancellable != NULL ? g_object_ref(cancellable) : NULL;
    request->output_done = done;
    request->user_data = user_data;
    if (stream_add(&output->stream, request) && output->stream.source == NULL)
        output_serve(output);
}

/* ---- to the process ---- */

/* Writes on for the first request; false when the pipe is full. */
static bool
input_serve_one(CocoInput *input, Request *request)
{
    Stream *stream = &input->stream;
    ssize_t put = 0;

    if (request->written < request->length)
        put =
            write(stream->fd, request->data + request->written, request->length - request->written);
    if (put < 0 && errno == EAGAIN)
        return false;
    if (put < 0 && errno != EINTR) {
        stream_close(stream);
        return true;
    }
    request->written += (size_t) MAX(put, 0);
    if (request->written == request->length)
        request_end(g_queue_pop_head(&stream->requests), NULL, 0, NULL);
    return true;
}

static gboolean on_input_ready(int fd, GIOCondition condition, void *user_data);

static void
input_serve(CocoInput *input)
{
    Stream *stream = &input->stream;
    Request *request;

    g_ref_count_inc(&stream->refs);
    while (stream->fd >= 0 && (request = stream_first(stream)) != NULL) {
        if (!input_serve_one(input, request))
            break;
    }
    if (g_queue_is_empty(&stream->requests) && input->closing)
        stream_close(stream);
    if (stream->fd < 0)
        stream_fail_all(stream, COCO_TTRPC_FAILED_PRECONDITION, "stdin is closed (broken pipe)");
    if (g_queue_is_empty(&stream->requests))
        stream_unwatch(stream);
    else
        stream_watch(stream, G_IO_OUT, on_input_ready);
    stream_unref(stream);
}

static gboolean
on_input_ready(int fd, GIOCondition condition, void *user_data)
{
    input_serve(user_data);
    return G_SOURCE_CONTINUE;
}

CocoInput *
coco_input_new(int fd)
{
    CocoInput *input = g_new0(CocoInput, 1);

    stream_init(&input->stream, fd);
    return input;
}

void
coco_input_free(CocoInput *input)
{
    if (input != NULL)
        stream_free(&input->stream);
}

void
coco_input_write(CocoInput *input, const uint8_t *data, size_t length, GCancellable *cancellable,
                 CocoInputDone done, void *user_data)
{
    Request *request = g_new0(Request, 1);

    request->data = data;
    request->length = length;
    request->cancellable = cancellable != NULL ? g_object_ref(cancellable) : NULL;
    request->input_done = done;
    request->user_data = user_data;
    if (input->closing || input->stream.fd < 0)
        request_fail(request, COCO_TTRPC_FAILED_PRECONDITION, "stdin is closed");
    else if (stream_add(&input->stream, request) && input->stream.source == NULL)
        input_serve(input);
}

void
coco_input_close(CocoInput *input)
{
    input->closing = true;
    if (input->stream.source == NULL)
        input_serve(input);
}

bool
coco_stdio_pipe(bool agent_reads, int *out_agent, int *out_child, GError **error)
{
    int ends[2];
    int agent;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_RESOURCE_EXHAUSTED, "make pipe: %s",
                                 g_strerror(errno));
    agent = agent_reads ? ends[0] : ends[1];
    (void) fcntl(agent, F_SETPIPE_SZ, PIPE_SIZE);
    (void) fcntl(agent, F_SETFL, O_NONBLOCK);
    *out_agent = agent;
    *out_child = agent_reads ? ends[1] : ends[0];
    return true;
}

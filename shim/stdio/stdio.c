// SPDX-License-Identifier: Apache-2.0
/*
 * Two output streams and one input stream, each with at most one call to the agent under way.
 *
 * An output stream is, in turn: waiting for the agent, or writing what came (and waiting for the
 * fifo when it is full). An empty answer is its end; so is an error, which is how Kata's agent says
 * it.
 */
#include "shim/stdio/stdio.h"

#include <errno.h>
#include <malloc.h>
#include <sys/ioctl.h>

#include <glib-unix.h>

#include "guest-protocol/agent/agent-call.h"
#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/agent-pb.h"
#include "shim/stdio/log-driver.h"
#include "shim/stdio/stdio-path.h"

#define READ_BYTES                                                                                 \
    (256 * 1024)      /* one answer; others' calls share the connection, so not larger             \
                       */
#define STALL_MS 2000 /* a fifo without room for that long has no reader */
#define UNREAD_MS 50  /* for a client to take the last bytes before it hears of the exit */
#define QUIET_FENCES 2
#define RESET_MS 2000            /* for so long output counts as the ended process's own */
#define FENCE_TIMEOUT_S 5        /* a guest that hangs has told all it will */
#define WRITE_BYTES (128 * 1024) /* one WriteStdin */

typedef struct {
    CocoStdio *stdio;
    CocoAgentStream stream;
    int fd;              /* -1: thrown away */
    unsigned int source; /* waiting for room in the fifo */
    Grpc__ReadStreamResponse *held;
    size_t written;
    bool last; /* nothing is read after what is held */
    bool ended;
} Output;

typedef struct {
    char *fifo; /* NULL, or to be opened when the process starts */
    int fd;
    int spare;           /* a writing end of our own, so that the fifo has no end before CloseIO */
    unsigned int source; /* waiting for bytes in the fifo */
    bool busy;           /* a WriteStdin is under way */
    bool closed;         /* by CloseIO */
    bool ended;
} Input;

/* Settling: see coco_stdio_settle(). A fence is a call that the agent answers at once. One that
 * comes back with no output before it means that there was nothing to read; two, because the agent
 * may answer a fence and read a pipe in the same round of its loop. What a process left behind
 * writes on and on makes no fence quiet, so that after a while output does not count any more: what
 * the ended process wrote was in its pipe before. */
typedef struct {
    CocoStdioDrainedFunc func;
    void *user_data;
    unsigned int quiet_fences;
    bool fence_under_way;
    unsigned int reset_source; /* output makes the fences begin anew until then */
    unsigned int stall_source; /* nobody reads the fifo */
    bool unread;               /* a fifo was closed with bytes in it */
    bool waited;               /* for its reader */
} Settling;

struct _CocoStdio {
    char *container_id;
    char *exec_id;
    char *ns;
    char *in;
    char *out;
    char *err;
    CocoSignals *signals;
    CocoLogDriver *driver; /* that gets the output, NULL: there is none, or no more */
    CocoTtrpcClient *agent;
    GCancellable *cancellable;
    Output outputs[2];
    Input input;
    bool terminal;
    uint64_t moved;
    CocoStdioDrainedFunc on_drained;
    void *user_data;
    Settling settling;
};

static void read_next(Output *output);
static void watch_input(CocoStdio *stdio);
static void settle_further(CocoStdio *stdio, bool had_output);

static void
clear(void *data)
{
    CocoStdio *stdio = data;

    g_clear_handle_id(&stdio->settling.stall_source, g_source_remove);
    g_clear_handle_id(&stdio->settling.reset_source, g_source_remove);
    for (unsigned int i = 0; i < G_N_ELEMENTS(stdio->outputs); i++)
        coco_fd_clear(&stdio->outputs[i].fd);
    coco_fd_clear(&stdio->input.fd);
    coco_fd_clear(&stdio->input.spare);
    coco_log_driver_end(stdio->driver, NULL, NULL);
    g_free(stdio->input.fifo);
    g_free(stdio->ns);
    g_free(stdio->in);
    g_free(stdio->out);
    g_free(stdio->err);
    g_clear_object(&stdio->cancellable);
    g_free(stdio->container_id);
    g_free(stdio->exec_id);
    /* The heap would keep what a stream has made of it for as long as the shim lives. */
    (void) malloc_trim(0);
}

CocoStdio *
coco_stdio_new(const CocoStdioConfig *config)
{
    CocoStdio *stdio = g_rc_box_new0(CocoStdio);

    stdio->container_id = g_strdup(config->container_id);
    stdio->exec_id = g_strdup(config->exec_id);
    stdio->ns = g_strdup(config->ns);
    stdio->in = g_strdup(config->in);
    stdio->out = g_strdup(config->out);
    stdio->err = g_strdup(config->err);
    stdio->signals = config->signals;
    stdio->cancellable = g_cancellable_new();
    stdio->outputs[0] = (Output){ .stdio = stdio, .stream = COCO_AGENT_STDOUT, .fd = -1 };
    stdio->outputs[1] = (Output){
        .stdio = stdio, .stream = COCO_AGENT_STDERR, .fd = -1, .ended = config->terminal
    };
    stdio->input = (Input){ .fd = -1, .spare = -1 };
    stdio->terminal = config->terminal;
    return stdio;
}

/* A file that is named for standard output gets standard error too, as with runc. */
static bool
open_paths(CocoStdio *stdio, GError **error)
{
    bool is_file = g_str_has_prefix(stdio->out, "file://");

    return coco_stdio_path_open_output(stdio->out, &stdio->outputs[0].fd, error) &&
           (stdio->terminal || coco_stdio_path_open_output(is_file ? stdio->out : stdio->err,
                                                           &stdio->outputs[1].fd, error));
}

/* So does a driver. */
static bool
start_driver(CocoStdio *stdio, CocoStdioOpenedFunc func, void *user_data, GError **error)
{
    CocoLogDriverConfig config = {
        .uri = stdio->out,
        .id = stdio->exec_id,
        .ns = stdio->ns,
        .signals = stdio->signals,
        .on_ready = func,
        .user_data = user_data,
    };

    stdio->driver =
        coco_log_driver_start(&config, &stdio->outputs[0].fd, &stdio->outputs[1].fd, error);
    if (stdio->terminal)
        coco_fd_clear(&stdio->outputs[1].fd);
    return stdio->driver != NULL;
}

static bool
open_input_path(CocoStdio *stdio, GError **error)
{
    if (!coco_stdio_path_is_fifo(stdio->in))
        return coco_stdio_path_open_input(stdio->in, &stdio->input.fd, &stdio->input.spare, error);
    stdio->input.fifo = g_strdup(stdio->in);
    return true;
}

void
coco_stdio_open(CocoStdio *stdio, CocoStdioOpenedFunc func, void *user_data)
{
    bool named = coco_log_driver_is_named(stdio->out);
    g_autoptr(GError) error = NULL;

    if (!open_input_path(stdio, &error) ||
        !(named ? start_driver(stdio, func, user_data, &error) : open_paths(stdio, &error)))
        func(error, user_data);
    else if (!named)
        func(NULL, user_data);
}

CocoStdio *
coco_stdio_ref(CocoStdio *stdio)
{
    return g_rc_box_acquire(stdio);
}

void
coco_stdio_unref(CocoStdio *stdio)
{
    if (stdio != NULL)
        g_rc_box_release_full(stdio, clear);
}

bool
coco_stdio_is_drained(const CocoStdio *stdio)
{
    return stdio->outputs[0].ended && stdio->outputs[1].ended;
}

static void
report_if_drained(CocoStdio *stdio)
{
    CocoStdioDrainedFunc func = stdio->on_drained;

    if (!coco_stdio_is_drained(stdio) || func == NULL)
        return;
    stdio->on_drained = NULL;
    func(stdio->user_data);
}

/* Closes the fifo: its reader waits for that end and for nothing else. */
static void
end_output(Output *output)
{
    int left = 0;

    if (output->ended)
        return;
    output->ended = true;
    if (output->fd >= 0 && ioctl(output->fd, FIONREAD, &left) == 0 && left > 0)
        output->stdio->settling.unread = true;
    g_clear_handle_id(&output->source, g_source_remove);
    g_clear_pointer(&output->held, grpc__read_stream_response__auto_free);
    coco_fd_clear(&output->fd);
    report_if_drained(output->stdio);
    settle_further(output->stdio, true);
}

static gboolean on_room(int fd, GIOCondition condition, void *user_data);

/* Writes what is held; reads on when all of it went. */
static void
write_held(Output *output)
{
    while (output->fd >= 0 && output->written < output->held->data.len) {
        ssize_t n = write(output->fd, output->held->data.data + output->written,
                          output->held->data.len - output->written);

        if (n < 0 && errno == EAGAIN) {
            if (output->source == 0)
                output->source = g_unix_fd_add(output->fd, G_IO_OUT, on_room, output);
            return;
        }
        if (n < 0 && errno != EINTR) {
            g_debug("stdio of %s/%s: write: %s", output->stdio->container_id,
                    output->stdio->exec_id, g_strerror(errno));
            coco_fd_clear(&output->fd); /* a full disk must not stop the container */
        }
        output->written += n > 0 ? (size_t) n : 0;
        output->stdio->moved += n > 0 ? (size_t) n : 0;
    }
    g_clear_handle_id(&output->source, g_source_remove);
    g_clear_pointer(&output->held, grpc__read_stream_response__auto_free);
    if (output->last)
        end_output(output);
    else
        read_next(output);
    settle_further(output->stdio, true);
}

static gboolean
on_room(int fd, GIOCondition condition, void *user_data)
{
    Output *output = user_data;
    g_autoptr(CocoStdio) keep = coco_stdio_ref(output->stdio);
    unsigned int source = output->source;

    write_held(output);
    return output->source == source ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
on_output(GObject *source, GAsyncResult *result, void *user_data)
{
    Output *output = user_data;
    g_autoptr(CocoStdio) stdio = output->stdio; /* the reference of read_next() */
    g_autoptr(GError) error = NULL;
    ProtobufCMessage *reply = coco_ttrpc_client_call_finish(result, &error);

    if (output->ended || reply == NULL) {
        coco_pb_free(reply);
        end_output(output);
        return;
    }
    output->held = (Grpc__ReadStreamResponse *) reply;
    output->written = 0;
    if (output->held->data.len == 0)
        end_output(output);
    else
        write_held(output);
}

static CocoAgentCall
agent_call(const CocoStdio *stdio, GAsyncReadyCallback callback, void *user_data)
{
    return (CocoAgentCall){ .client = stdio->agent,
                            .cancellable = stdio->cancellable,
                            .callback = callback,
                            .user_data = user_data };
}

static void
read_next(Output *output)
{
    CocoStdio *stdio = output->stdio;
    CocoAgentCall call = agent_call(stdio, on_output, output);
    const CocoAgentProcess process = { stdio->container_id, stdio->exec_id };

    if (output->ended)
        return;
    (void) coco_stdio_ref(stdio);
    coco_agent_read_stream(&call, &process, output->stream, READ_BYTES);
}

static gboolean on_stall(void *user_data);

static void
finish_settling(CocoStdio *stdio)
{
    CocoStdioDrainedFunc func = stdio->settling.func;

    g_clear_handle_id(&stdio->settling.stall_source, g_source_remove);
    g_clear_handle_id(&stdio->settling.reset_source, g_source_remove);
    if (stdio->settling.unread && !stdio->settling.waited) {
        stdio->settling.waited = true;
        stdio->settling.stall_source = g_timeout_add(UNREAD_MS, on_stall, stdio);
        return;
    }
    stdio->settling.func = NULL;
    func(stdio->settling.user_data);
}

static gboolean
on_stall(void *user_data)
{
    CocoStdio *stdio = user_data;

    stdio->settling.stall_source = 0;
    finish_settling(stdio);
    return G_SOURCE_REMOVE;
}

static void
on_fence(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(CocoStdio) stdio = user_data; /* the reference of send_fence() */
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    stdio->settling.fence_under_way = false;
    stdio->settling.quiet_fences++;
    if (reply == NULL && stdio->settling.func != NULL)
        finish_settling(stdio); /* no agent, no output */
    else
        settle_further(stdio, false);
}

static void
send_fence(CocoStdio *stdio)
{
    CocoAgentCall call = agent_call(stdio, on_fence, stdio);

    call.timeout_us = FENCE_TIMEOUT_S * G_USEC_PER_SEC;
    stdio->settling.fence_under_way = true;
    (void) coco_stdio_ref(stdio);
    coco_agent_check(&call);
}

static void
settle_further(CocoStdio *stdio, bool had_output)
{
    Settling *settling = &stdio->settling;
    bool held = stdio->outputs[0].held != NULL || stdio->outputs[1].held != NULL;

    if (settling->func == NULL)
        return;
    g_clear_handle_id(&settling->stall_source, g_source_remove);
    if (had_output && settling->reset_source != 0)
        settling->quiet_fences = 0;
    if (coco_stdio_is_drained(stdio) || stdio->agent == NULL ||
        (!held && settling->quiet_fences >= QUIET_FENCES))
        finish_settling(stdio);
    else if (held)
        settling->stall_source = g_timeout_add(STALL_MS, on_stall, stdio);
    else if (!settling->fence_under_way)
        send_fence(stdio);
}

static gboolean
on_reset_over(void *user_data)
{
    CocoStdio *stdio = user_data;

    stdio->settling.reset_source = 0;
    return G_SOURCE_REMOVE;
}

void
coco_stdio_settle(CocoStdio *stdio, CocoStdioDrainedFunc func, void *user_data)
{
    stdio->settling.func = func;
    stdio->settling.user_data = user_data;
    stdio->settling.reset_source = g_timeout_add(RESET_MS, on_reset_over, stdio);
    settle_further(stdio, true);
}

void
coco_stdio_end_input(CocoStdio *stdio)
{
    stdio->input.ended = true;
    g_clear_handle_id(&stdio->input.source, g_source_remove);
    coco_fd_clear(&stdio->input.fd);
    coco_fd_clear(&stdio->input.spare);
}

static void
tell_end_of_input(CocoStdio *stdio)
{
    CocoAgentCall call = agent_call(stdio, NULL, NULL);
    const CocoAgentProcess process = { stdio->container_id, stdio->exec_id };

    coco_stdio_end_input(stdio);
    coco_agent_close_stdin(&call, &process);
}

static void
on_input_written(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(CocoStdio) stdio = user_data; /* the reference of send_input() */
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    stdio->input.busy = false;
    if (stdio->input.ended)
        return;
    if (reply == NULL) {
        g_debug("stdio of %s/%s: stdin: %s", stdio->container_id, stdio->exec_id, error->message);
        coco_stdio_end_input(stdio); /* the process closed its end */
        return;
    }
    watch_input(stdio);
}

static void
send_input(CocoStdio *stdio, unsigned char *data, size_t length)
{
    CocoAgentCall call = agent_call(stdio, on_input_written, stdio);
    const CocoAgentProcess process = { stdio->container_id, stdio->exec_id };

    stdio->input.busy = true;
    (void) coco_stdio_ref(stdio);
    coco_agent_write_stdin(&call, &process, data, length);
}

static gboolean
on_input_ready(int fd, GIOCondition condition, void *user_data)
{
    CocoStdio *stdio = user_data;
    g_autofree unsigned char *buffer = g_malloc(WRITE_BYTES);
    ssize_t n = read(fd, buffer, WRITE_BYTES);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    stdio->input.source = 0;
    if (n > 0)
        send_input(stdio, buffer, (size_t) n);
    else
        tell_end_of_input(stdio);
    return G_SOURCE_REMOVE;
}

static void
watch_input(CocoStdio *stdio)
{
    if (stdio->input.fd < 0 || stdio->input.busy || stdio->input.ended || stdio->agent == NULL)
        return;
    g_clear_handle_id(&stdio->input.source, g_source_remove);
    stdio->input.source = g_unix_fd_add(stdio->input.fd, G_IO_IN | G_IO_HUP, on_input_ready, stdio);
}

void
coco_stdio_start(CocoStdio *stdio, CocoTtrpcClient *agent, CocoStdioDrainedFunc func,
                 void *user_data)
{
    stdio->agent = agent;
    stdio->on_drained = func;
    stdio->user_data = user_data;
    if (agent == NULL) {
        coco_stdio_stop(stdio);
        return;
    }
    for (unsigned int i = 0; i < G_N_ELEMENTS(stdio->outputs); i++)
        read_next(&stdio->outputs[i]);
    if (stdio->input.fd >= 0)
        watch_input(stdio);
    else if (stdio->input.fifo == NULL && !stdio->terminal)
        tell_end_of_input(stdio);
}

void
coco_stdio_open_input(CocoStdio *stdio)
{
    g_autofree char *fifo = g_steal_pointer(&stdio->input.fifo);
    g_autoptr(GError) error = NULL;

    if (fifo == NULL || stdio->input.ended || stdio->agent == NULL)
        return;
    if (!coco_stdio_path_open_input(fifo, &stdio->input.fd, &stdio->input.spare, &error)) {
        g_warning("stdio of %s/%s: stdin: %s", stdio->container_id, stdio->exec_id, error->message);
        tell_end_of_input(stdio);
        return;
    }
    if (stdio->input.closed)
        coco_fd_clear(&stdio->input.spare);
    watch_input(stdio);
}

void
coco_stdio_close_input(CocoStdio *stdio)
{
    stdio->input.closed = true;
    coco_fd_clear(&stdio->input.spare);
}

void
coco_stdio_stop(CocoStdio *stdio)
{
    stdio->on_drained = NULL;
    g_cancellable_cancel(stdio->cancellable);
    for (unsigned int i = 0; i < G_N_ELEMENTS(stdio->outputs); i++)
        end_output(&stdio->outputs[i]);
    coco_stdio_end_input(stdio);
}

void
coco_stdio_finish(CocoStdio *stdio)
{
    for (unsigned int i = 0; i < G_N_ELEMENTS(stdio->outputs); i++) {
        if (stdio->outputs[i].held != NULL)
            stdio->outputs[i].last = true;
        else
            end_output(&stdio->outputs[i]);
    }
    coco_stdio_end_input(stdio);
}

uint64_t
coco_stdio_moved(const CocoStdio *stdio)
{
    return stdio->moved;
}

void
coco_stdio_end_driver(CocoStdio *stdio, void (*func)(void *user_data), void *user_data)
{
    coco_log_driver_end(g_steal_pointer(&stdio->driver), func, user_data);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What the server does with each frame. The rules are those of containerd's Go server
 * (containerd/ttrpc server.go):
 *
 *   even stream id                          -> INVALID_ARGUMENT on that stream
 *   stream id not above the last one        -> INVALID_ARGUMENT
 *   Request that does not decode            -> INVALID_ARGUMENT
 *   over 4 MiB                              -> RESOURCE_EXHAUSTED, the bytes are thrown away
 *   unknown service or method               -> UNIMPLEMENTED
 *   Data for a stream that is not open      -> INVALID_ARGUMENT
 *   Response, unknown frame type            -> ignored
 *   end of file                             -> dropped at once, calls cancelled
 *
 * None of these ends the connection. All our methods are unary: a frame that only closes the
 * client's side of an open call is ignored, data for it is refused (Go's server crashes on that
 * one).
 *
 * A peer that sends and never reads is not read either once enough answers are queued; calls nobody
 * answers yet are bounded in number and bytes.
 */
#include "guest-protocol/ttrpc/ttrpc-connection.h"

#include <string.h>

#include "guest-protocol/proto/pb.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/stream.h"
#include "guest-protocol/ttrpc/trace.h"
#include "guest-protocol/ttrpc/ttrpc-frame.h"
#include "guest-protocol/ttrpc/ttrpc-message.h"

struct _CocoTtrpcConnection {
    CocoStream *stream; /* NULL: dead */
    CocoTtrpcDecoder *decoder;
    GMainContext *context;
    const CocoTtrpcConnectionFuncs *funcs;
    void *user_data;
    GHashTable *calls; /* stream id -> CocoTtrpcCall, those without an answer */
    size_t held;       /* bytes of their requests, as they are in memory */
    uint32_t last_id;
    bool paused;
    unsigned int refs;
};

struct _CocoTtrpcCall {
    CocoTtrpcConnection *connection; /* NULL: answered by us already, or the connection is dead */
    uint32_t stream_id;
    size_t size;
    const char *method; /* static: the name in the table */
    int64_t trace_begin;
    ProtobufCMessage *request;
    GPtrArray *metadata;
    int64_t deadline;
    GSource *timer;
    GCancellable *cancellable; /* made when asked for */
    bool cancelled;
};

static void
unref(CocoTtrpcConnection *connection)
{
    if (--connection->refs > 0)
        return;
    coco_ttrpc_decoder_free(connection->decoder);
    g_hash_table_unref(connection->calls);
    g_main_context_unref(connection->context);
    g_free(connection);
}

/* frame: (transfer full) */
static void
send_frame(CocoTtrpcConnection *connection, uint8_t *frame, size_t length)
{
    if (connection->stream == NULL) {
        g_free(frame);
        return;
    }
    coco_stream_write(connection->stream, frame, length);
    if (coco_stream_get_queued(connection->stream) > COCO_TTRPC_MAX_QUEUED_REPLIES) {
        connection->paused = true;
        coco_stream_set_reading(connection->stream, false);
    }
}

static void G_GNUC_PRINTF(4, 5) send_status(CocoTtrpcConnection *connection, uint32_t stream_id,
                                            CocoTtrpcCode code, const char *format, ...)
{
    g_autofree char *text = NULL;
    uint8_t *frame;
    size_t length;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    frame = coco_ttrpc_status_encode(stream_id, code, text, &length);
    send_frame(connection, frame, length);
}

/* Takes the call off its connection: from here on nothing is sent for it. */
static void
detach(CocoTtrpcCall *call)
{
    CocoTtrpcConnection *connection = g_steal_pointer(&call->connection);

    if (connection == NULL)
        return;
    g_hash_table_remove(connection->calls, GUINT_TO_POINTER(call->stream_id));
    connection->held -= call->size;
}

static void
stop_timer(CocoTtrpcCall *call)
{
    if (call->timer != NULL)
        g_source_destroy(call->timer);
    g_clear_pointer(&call->timer, g_source_unref);
}

static void
cancel(CocoTtrpcCall *call)
{
    stop_timer(call);
    call->cancelled = true;
    if (call->cancellable != NULL) {
        /* A handler that ends its call from here frees it, so the cancellable is held. */
        g_autoptr(GCancellable) cancellable = g_object_ref(call->cancellable);

        g_cancellable_cancel(cancellable);
    }
}

static void
call_free(CocoTtrpcCall *call)
{
    coco_trace_end(call->trace_begin, "served", call->method);
    detach(call);
    stop_timer(call);
    coco_pb_free(call->request);
    g_clear_pointer(&call->metadata, g_ptr_array_unref);
    g_clear_object(&call->cancellable);
    g_free(call);
}

static gboolean
on_deadline_timeout(void *user_data)
{
    cancel(user_data);
    return G_SOURCE_REMOVE;
}

/* timeout_nano is what was left when the request was sent; the time it took to get here is not
 * known. */
static void
start_timer(CocoTtrpcCall *call, GMainContext *context, int64_t timeout_nano)
{
    int64_t timeout_us = timeout_nano / 1000;
    int64_t now = g_get_monotonic_time();

    if (timeout_nano == 0)
        return;
    call->deadline = timeout_us > G_MAXINT64 - now ? G_MAXINT64 : now + timeout_us;
    if (timeout_nano < 0) {
        call->cancelled = true;
        return;
    }
    call->timer = g_timeout_source_new((guint) MIN(timeout_us / 1000 + 1, (int64_t) G_MAXUINT));
    g_source_set_callback(call->timer, on_deadline_timeout, call, NULL);
    g_source_attach(call->timer, context);
}

static bool
has_room(CocoTtrpcConnection *connection, const CocoTtrpcFrame *frame)
{
    return g_hash_table_size(connection->calls) < COCO_TTRPC_MAX_OPEN_CALLS &&
           connection->held + frame->length <= COCO_TTRPC_MAX_HELD_REQUESTS;
}

/* The method a request names and its payload, or NULL with error set. */
static const CocoTtrpcMethod *
unpack_request(CocoTtrpcConnection *connection, const CocoTtrpcRequest *request,
               void **out_service_data, ProtobufCMessage **out_message, size_t *out_size,
               GError **error)
{
    const size_t budget =
        MIN(COCO_TTRPC_MAX_HELD_REQUESTS - connection->held, COCO_PB_MAX_UNPACKED);
    size_t left = budget;
    bool service_known = false;
    const CocoTtrpcMethod *method = connection->funcs->find(
        connection->user_data, request->service, request->method, &service_known, out_service_data);

    if (method == NULL || method->handler == NULL) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNIMPLEMENTED, "%s %s",
                    service_known ? "method" : "service",
                    service_known ? request->method : request->service);
        return NULL;
    }
    *out_message = coco_pb_unpack_within(method->request, request->payload, request->payload_length,
                                         &left, error);
    *out_size = budget - left;
    return *out_message != NULL ? method : NULL;
}

static void
handle_request(CocoTtrpcConnection *connection, const CocoTtrpcFrame *frame)
{
    g_auto(CocoTtrpcRequest) request = { 0 };
    g_autoptr(GError) error = NULL;
    const CocoTtrpcMethod *method;
    ProtobufCMessage *message = NULL;
    void *service_data = NULL;
    size_t size = 0;
    CocoTtrpcCall *call;

    if (!coco_ttrpc_request_decode(frame->payload, frame->length, &request, &error) ||
        (method = unpack_request(connection, &request, &service_data, &message, &size, &error)) ==
            NULL) {
        send_status(connection, frame->stream_id, (CocoTtrpcCode) error->code, "%s",
                    error->message);
        return;
    }
    call = g_new0(CocoTtrpcCall, 1);
    call->connection = connection;
    call->stream_id = frame->stream_id;
    call->size = size;
    call->request = message;
    call->method = method->name;
    call->trace_begin = coco_trace_begin();
    call->metadata = g_steal_pointer(&request.metadata);
    start_timer(call, connection->context, request.timeout_nano);
    connection->held += call->size;
    g_hash_table_insert(connection->calls, GUINT_TO_POINTER(call->stream_id), call);
    connection->funcs->handle(connection->user_data, call, method, service_data);
}

static void
on_request(CocoTtrpcConnection *connection, const CocoTtrpcFrame *frame)
{
    if (frame->stream_id <= connection->last_id) {
        send_status(connection, frame->stream_id, COCO_TTRPC_INVALID_ARGUMENT,
                    "StreamID cannot be re-used and must increment");
        return;
    }
    connection->last_id = frame->stream_id;
    if (!has_room(connection, frame)) {
        send_status(connection, frame->stream_id, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "too many calls without an answer on this connection");
        return;
    }
    handle_request(connection, frame);
}

static void
on_data(CocoTtrpcConnection *connection, const CocoTtrpcFrame *frame)
{
    CocoTtrpcCall *call =
        g_hash_table_lookup(connection->calls, GUINT_TO_POINTER(frame->stream_id));

    if (call == NULL) {
        send_status(connection, frame->stream_id, COCO_TTRPC_INVALID_ARGUMENT,
                    "StreamID is no longer active");
    } else if ((frame->flags & COCO_TTRPC_FLAG_NO_DATA) == 0) {
        send_status(connection, frame->stream_id, COCO_TTRPC_INVALID_ARGUMENT,
                    "data handling error: the method is not a streaming one");
        detach(call);
        cancel(call);
    }
}

static void
on_frame(CocoTtrpcConnection *connection, const CocoTtrpcFrame *frame)
{
    if (frame->oversize) {
        /* Its id is used up, so that a second request cannot take it and get two answers. */
        if (frame->type == COCO_TTRPC_REQUEST && frame->stream_id > connection->last_id)
            connection->last_id = frame->stream_id;
        send_status(connection, frame->stream_id, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "message length %u exceed maximum message size of %u", frame->length,
                    COCO_TTRPC_MAX_PAYLOAD);
    } else if (frame->type != COCO_TTRPC_REQUEST && frame->type != COCO_TTRPC_DATA) {
        return;
    } else if (frame->stream_id % 2 == 0) {
        send_status(connection, frame->stream_id, COCO_TTRPC_INVALID_ARGUMENT,
                    "StreamID must be odd for client initiated streams");
    } else if (frame->type == COCO_TTRPC_REQUEST) {
        on_request(connection, frame);
    } else {
        on_data(connection, frame);
    }
}

/* Everything that has come, until there is no room for more answers or a handler closes the
 * connection. */
static void
process(CocoTtrpcConnection *connection)
{
    CocoTtrpcFrame frame;

    connection->refs++;
    while (connection->stream != NULL && !connection->paused &&
           coco_ttrpc_decoder_next(connection->decoder, &frame))
        on_frame(connection, &frame);
    unref(connection);
}

static uint8_t *
get_space(void *user_data, size_t *out_size)
{
    CocoTtrpcConnection *connection = user_data;

    return coco_ttrpc_decoder_get_space(connection->decoder, out_size);
}

static void
on_stream_received(void *user_data, size_t n)
{
    CocoTtrpcConnection *connection = user_data;

    coco_ttrpc_decoder_fill(connection->decoder, n);
    process(connection);
}

static void
on_stream_drained(void *user_data)
{
    CocoTtrpcConnection *connection = user_data;

    connection->refs++;
    connection->paused = false;
    process(connection);
    if (connection->stream != NULL && !connection->paused)
        coco_stream_set_reading(connection->stream, true);
    unref(connection);
}

/* Cancelling runs handlers' code, which may end any call, so the table is looked at anew each time.
 */
static void
cancel_calls(CocoTtrpcConnection *connection)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, connection->calls);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        detach(value);
        cancel(value);
        g_hash_table_iter_init(&iter, connection->calls);
    }
}

static void
close_stream(CocoTtrpcConnection *connection)
{
    g_clear_pointer(&connection->stream, coco_stream_free);
    cancel_calls(connection);
}

static void
on_stream_closed(void *user_data, const GError *reason)
{
    CocoTtrpcConnection *connection = user_data;

    connection->refs++;
    close_stream(connection);
    if (connection->funcs != NULL)
        connection->funcs->on_closed(connection->user_data, connection);
    unref(connection);
}

static const CocoStreamFuncs stream_funcs = {
    .get_space = get_space,
    .on_received = on_stream_received,
    .on_drained = on_stream_drained,
    .on_closed = on_stream_closed,
};

CocoTtrpcConnection *
coco_ttrpc_connection_new(int fd, GMainContext *context, const CocoTtrpcConnectionFuncs *funcs,
                          void *user_data)
{
    CocoTtrpcConnection *connection = g_new0(CocoTtrpcConnection, 1);

    connection->refs = 1;
    connection->context = g_main_context_ref(context);
    connection->funcs = funcs;
    connection->user_data = user_data;
    connection->decoder = coco_ttrpc_decoder_new();
    connection->calls = g_hash_table_new(NULL, NULL);
    connection->stream = coco_stream_new(fd, COCO_STREAM_AUTO, context, &stream_funcs,
                                         COCO_TTRPC_MAX_QUEUED_REPLIES, connection);
    return connection;
}

void
coco_ttrpc_connection_free(CocoTtrpcConnection *connection)
{
    if (connection == NULL)
        return;
    connection->funcs = NULL;
    close_stream(connection);
    unref(connection);
}

const ProtobufCMessage *
coco_ttrpc_call_get_request(const CocoTtrpcCall *call)
{
    return call->request;
}

const void *
coco_ttrpc_call_get_connection(const CocoTtrpcCall *call)
{
    return call->connection;
}

const char *
coco_ttrpc_call_get_metadata(const CocoTtrpcCall *call, const char *key)
{
    for (unsigned int i = 0; call->metadata != NULL && i + 1 < call->metadata->len; i += 2) {
        if (g_ascii_strcasecmp(call->metadata->pdata[i], key) == 0)
            return call->metadata->pdata[i + 1];
    }
    return NULL;
}

int64_t
coco_ttrpc_call_get_deadline(const CocoTtrpcCall *call)
{
    return call->deadline;
}

GCancellable *
coco_ttrpc_call_get_cancellable(CocoTtrpcCall *call)
{
    if (call->cancellable == NULL) {
        call->cancellable = g_cancellable_new();
        if (call->cancelled)
            g_cancellable_cancel(call->cancellable);
    }
    return call->cancellable;
}

void
coco_ttrpc_call_reply(CocoTtrpcCall *call, const ProtobufCMessage *response)
{
    g_autoptr(GError) error = NULL;
    uint8_t *frame;
    size_t length;

    if (call->connection == NULL) {
        call_free(call);
        return;
    }
    frame = coco_ttrpc_response_encode(call->stream_id, response, &length, &error);
    if (frame == NULL) {
        /* Not UTF-8: what we say is wrong, not what we were asked. */
        CocoTtrpcCode code = (CocoTtrpcCode) error->code;

        coco_ttrpc_call_fail(call, code == COCO_TTRPC_INVALID_ARGUMENT ? COCO_TTRPC_INTERNAL : code,
                             "%s", error->message);
        return;
    }
    send_frame(call->connection, frame, length);
    call_free(call);
}

void
coco_ttrpc_call_fail(CocoTtrpcCall *call, CocoTtrpcCode code, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    if (call->connection != NULL)
        send_status(call->connection, call->stream_id,
                    code != COCO_TTRPC_OK ? code : COCO_TTRPC_UNKNOWN, "%s", text);
    call_free(call);
}

void
coco_ttrpc_call_fail_error(CocoTtrpcCall *call, const GError *error)
{
    CocoTtrpcCode code =
        error->domain == COCO_TTRPC_ERROR ? (CocoTtrpcCode) error->code : COCO_TTRPC_UNKNOWN;

    coco_ttrpc_call_fail(call, code, "%s", error->message);
}

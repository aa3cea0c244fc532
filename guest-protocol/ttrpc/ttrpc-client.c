// SPDX-License-Identifier: Apache-2.0
/*
 * The calling side. Stream ids are odd and grow; an answer to an id that nobody waits for any more
 * (deadline passed, call cancelled) is dropped, and so is any frame that is no Response.
 */
#include "guest-protocol/ttrpc/ttrpc-client.h"

#include "guest-protocol/proto/pb.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/stream.h"
#include "guest-protocol/ttrpc/trace.h"
#include "guest-protocol/ttrpc/ttrpc-frame.h"
#include "guest-protocol/ttrpc/ttrpc-message.h"

struct _CocoTtrpcClient {
    CocoStream *stream; /* NULL: the connection is dead */
    CocoTtrpcDecoder *decoder;
    GMainContext *context;
    GHashTable *pending; /* stream id -> PendingCall */
    GPtrArray *metadata;
    uint32_t next_id;
    GError *death; /* what calls fail with once stream is NULL */
    CocoTtrpcClientClosedFunc closed_func;
    void *closed_data;
    int64_t heard_at;
    bool freed;
    unsigned int refs;
};

typedef struct {
    CocoTtrpcClient *client;
    uint32_t id;
    GTask *task;
    const ProtobufCMessageDescriptor *reply_type;
    char *name; /* service/method, for errors */
    int64_t timeout_us;
    int64_t trace_begin;
    GSource *timer;
    GSource *cancel_source;
} PendingCall;

static void
unref(CocoTtrpcClient *client)
{
    if (--client->refs > 0)
        return;
    coco_ttrpc_decoder_free(client->decoder);
    g_hash_table_unref(client->pending);
    g_ptr_array_unref(client->metadata);
    g_clear_error(&client->death);
    g_main_context_unref(client->context);
    g_free(client);
}

static void
drop_source(GSource **source)
{
    if (*source != NULL)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

/* Takes the call off its client and hands out its task; the call is gone then. */
static GTask *
take_task(PendingCall *call)
{
    GTask *task = call->task;

    g_hash_table_remove(call->client->pending, GUINT_TO_POINTER(call->id));
    drop_source(&call->timer);
    drop_source(&call->cancel_source);
    coco_trace_end(call->trace_begin, "called", call->name);
    g_free(call->name);
    g_free(call);
    return task;
}

/* error: (transfer full) */
static void
fail(PendingCall *call, GError *error)
{
    g_autoptr(GTask) task = take_task(call);

    g_task_return_error(task, error);
}

static void G_GNUC_PRINTF(3, 4)
    fail_with(PendingCall *call, CocoTtrpcCode code, const char *format, ...)
{
    va_list args;
    GError *error;

    va_start(args, format);
    error = g_error_new_valist(COCO_TTRPC_ERROR, (int) code, format, args);
    va_end(args);
    fail(call, error);
}

static gboolean
on_deadline_timeout(void *user_data)
{
    PendingCall *call = user_data;

    fail_with(call, COCO_TTRPC_DEADLINE_EXCEEDED, "%s: no answer within %.3g s", call->name,
              (double) call->timeout_us / G_USEC_PER_SEC);
    return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled(GCancellable *cancellable, void *user_data)
{
    PendingCall *call = user_data;

    fail_with(call, COCO_TTRPC_CANCELLED, "%s: cancelled", call->name);
    return G_SOURCE_REMOVE;
}

/* A peer's words end in logs and on terminals: one line, nothing that steers. */
static char *
printable(const char *text)
{
    char *clean = g_utf8_make_valid(text, -1);

    for (char *c = clean; *c != '\0'; c++) {
        /* Those from U+0080 to U+009F have two bytes. */
        bool second_set = (uint8_t) c[0] == 0xc2 && (uint8_t) c[1] < 0xa0;

        if (g_ascii_iscntrl(c[0]) || second_set)
            *c = ' ';
        if (second_set)
            *++c = ' ';
    }
    return clean;
}

static void
on_response(PendingCall *call, const CocoTtrpcFrame *frame)
{
    g_auto(CocoTtrpcResponse) response = { 0 };
    g_autoptr(GError) error = NULL;
    ProtobufCMessage *reply = NULL;

    if (frame->oversize) {
        coco_ttrpc_set_oversize_error(&error, frame->length);
        fail(call, g_steal_pointer(&error));
        return;
    }
    if (!coco_ttrpc_response_decode(frame->payload, frame->length, &response, &error)) {
        fail_with(call, COCO_TTRPC_INTERNAL, "%s: %s", call->name, error->message);
        return;
    }
    if (response.code != COCO_TTRPC_OK) {
        CocoTtrpcCode code = response.code <= COCO_TTRPC_UNAUTHENTICATED
                                 ? (CocoTtrpcCode) response.code
                                 : COCO_TTRPC_UNKNOWN;
        g_autofree char *text = printable(response.text != NULL ? response.text : "");

        fail_with(call, code, "%s", text);
        return;
    }
    reply = coco_pb_unpack(call->reply_type, response.payload, response.payload_length, &error);
    if (reply == NULL) {
        fail_with(call, COCO_TTRPC_INTERNAL, "%s: %s", call->name, error->message);
    } else {
        g_autoptr(GTask) task = take_task(call);

        g_task_return_pointer(task, reply, (GDestroyNotify) coco_pb_free);
    }
}

static uint8_t *
get_space(void *user_data, size_t *out_size)
{
    CocoTtrpcClient *client = user_data;

    return coco_ttrpc_decoder_get_space(client->decoder, out_size);
}

static void
on_stream_received(void *user_data, size_t n)
{
    CocoTtrpcClient *client = user_data;
    CocoTtrpcFrame frame;

    client->refs++;
    client->heard_at = g_get_monotonic_time();
    coco_ttrpc_decoder_fill(client->decoder, n);
    while (client->stream != NULL && coco_ttrpc_decoder_next(client->decoder, &frame)) {
        PendingCall *call = g_hash_table_lookup(client->pending, GUINT_TO_POINTER(frame.stream_id));

        if (call != NULL && frame.type == COCO_TTRPC_RESPONSE)
            on_response(call, &frame);
    }
    unref(client);
}

static void
on_stream_drained(void *user_data)
{
}

/* Callbacks run from here and may start or end other calls, so the table is looked at anew each
 * time. */
static void
fail_all(CocoTtrpcClient *client, const GError *error)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, client->pending);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        fail(value, g_error_copy(error));
        g_hash_table_iter_init(&iter, client->pending);
    }
}

static void
on_stream_closed(void *user_data, const GError *reason)
{
    CocoTtrpcClient *client = user_data;

    client->refs++;
    g_clear_pointer(&client->stream, coco_stream_free);
    g_set_error(&client->death, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "connection closed%s%s",
                reason != NULL ? ": " : "", reason != NULL ? reason->message : "");
    fail_all(client, client->death);
    if (!client->freed && client->closed_func != NULL)
        client->closed_func(client, client->death, client->closed_data);
    unref(client);
}

static const CocoStreamFuncs stream_funcs = {
    .get_space = get_space,
    .on_received = on_stream_received,
    .on_drained = on_stream_drained,
    .on_closed = on_stream_closed,
};

CocoTtrpcClient *
coco_ttrpc_client_new(int fd)
{
    CocoTtrpcClient *client = g_new0(CocoTtrpcClient, 1);

    client->refs = 1;
    client->next_id = 1;
    client->context = g_main_context_ref_thread_default();
    client->decoder = coco_ttrpc_decoder_new();
    client->pending = g_hash_table_new(NULL, NULL);
    client->metadata = g_ptr_array_new_with_free_func(g_free);
    client->stream = coco_stream_new(fd, COCO_STREAM_AUTO, client->context, &stream_funcs,
                                     COCO_TTRPC_MAX_QUEUED_REQUESTS, client);
    return client;
}

void
coco_ttrpc_client_free(CocoTtrpcClient *client)
{
    g_autoptr(GError) error = NULL;

    if (client == NULL)
        return;
    client->freed = true;
    g_clear_pointer(&client->stream, coco_stream_free);
    error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED, "client was closed");
    fail_all(client, error);
    unref(client);
}

bool
coco_ttrpc_client_is_closed(const CocoTtrpcClient *client)
{
    return client->death != NULL;
}

int64_t
coco_ttrpc_client_heard_at(const CocoTtrpcClient *client)
{
    return client->heard_at;
}

void
coco_ttrpc_client_set_closed_func(CocoTtrpcClient *client, CocoTtrpcClientClosedFunc func,
                                  void *user_data)
{
    client->closed_func = func;
    client->closed_data = user_data;
}

void
coco_ttrpc_client_set_metadata(CocoTtrpcClient *client, const char *key, const char *value)
{
    g_autofree char *lower = g_ascii_strdown(key, -1);

    for (unsigned int i = 0; i + 1 < client->metadata->len; i += 2) {
        if (g_str_equal(client->metadata->pdata[i], lower)) {
            g_free(client->metadata->pdata[i + 1]);
            client->metadata->pdata[i + 1] = g_utf8_make_valid(value, -1);
            return;
        }
    }
    g_ptr_array_add(client->metadata, g_utf8_make_valid(lower, -1));
    g_ptr_array_add(client->metadata, g_utf8_make_valid(value, -1));
}

static int64_t
nanoseconds(int64_t us)
{
    return us > G_MAXINT64 / 1000 ? G_MAXINT64 : us * 1000;
}

/* The frame of the call, or NULL with error set if it cannot even be sent. */
static uint8_t *
encode_call(CocoTtrpcClient *client, const char *service, const char *method,
            const ProtobufCMessage *request, int64_t timeout_us, size_t *out_length, GError **error)
{
    if (client->stream == NULL) {
        if (client->death != NULL)
            g_propagate_error(error, g_error_copy(client->death));
        else
            g_set_error_literal(error, COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED, "client was closed");
        return NULL;
    }
    if (timeout_us < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                    "%s/%s: deadline had passed before the call", service, method);
        return NULL;
    }
    if (coco_stream_get_queued(client->stream) > COCO_TTRPC_MAX_QUEUED_REQUESTS) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "%s/%s: the server does not read its requests", service, method);
        return NULL;
    }
    if (client->next_id >= UINT32_MAX - 1) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE,
                    "%s/%s: no stream id left on this connection", service, method);
        return NULL;
    }
    return coco_ttrpc_request_encode(client->next_id, service, method, nanoseconds(timeout_us),
                                     client->metadata, request, out_length, error);
}

/* milliseconds of a timer that never fires early */
static unsigned int
timer_ms(int64_t timeout_us)
{
    return (unsigned int) MIN(timeout_us / 1000 + 1, (int64_t) G_MAXUINT);
}

static void
start_sources(PendingCall *call, GCancellable *cancellable)
{
    if (call->timeout_us > 0) {
        call->timer = g_timeout_source_new(timer_ms(call->timeout_us));
        g_source_set_callback(call->timer, on_deadline_timeout, call, NULL);
        g_source_attach(call->timer, call->client->context);
    }
    if (cancellable != NULL) {
        call->cancel_source = g_cancellable_source_new(cancellable);
        g_source_set_callback(call->cancel_source, G_SOURCE_FUNC(on_cancelled), call, NULL);
        g_source_attach(call->cancel_source, call->client->context);
    }
}

void
coco_ttrpc_client_call_async(CocoTtrpcClient *client, const char *service, const char *method,
                             const ProtobufCMessage *request,
                             const ProtobufCMessageDescriptor *reply_type, int64_t timeout_us,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             void *user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, user_data);
    g_autoptr(GError) error = NULL;
    PendingCall *call;
    uint8_t *frame;
    size_t length;

    g_task_set_source_tag(task, coco_ttrpc_client_call_async);
    frame = encode_call(client, service, method, request, timeout_us, &length, &error);
    if (frame == NULL) {
        g_task_return_error(task, g_steal_pointer(&error));
        return;
    }
    call = g_new0(PendingCall, 1);
    call->client = client;
    call->id = client->next_id;
    call->task = g_steal_pointer(&task);
    call->reply_type = reply_type;
    call->name = g_strconcat(service, "/", method, NULL);
    call->timeout_us = timeout_us;
    call->trace_begin = coco_trace_begin();
    client->next_id += 2;
    g_hash_table_insert(client->pending, GUINT_TO_POINTER(call->id), call);
    start_sources(call, cancellable);
    coco_stream_write(client->stream, frame, length);
}

ProtobufCMessage *
coco_ttrpc_client_call_finish(GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, NULL), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

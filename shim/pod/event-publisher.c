// SPDX-License-Identifier: Apache-2.0
/*
 * One call at a time, so that order needs no thought: the head of the queue is sent, and leaves the
 * queue when containerd has answered. Everything that could make progress ends in pump(), which
 * does the next thing if nothing is under way:
 *
 *     queue empty ............ tell who waits for a flush
 *     no connection .......... connect
 *     else ................... call Forward with the head
 *
 * A connection that fails, or a call that is not answered in time, is tried again after a delay
 * that doubles. What containerd refuses for its content is dropped, for it would block all later
 * events. A call whose answer was lost is sent twice; consumers of events must expect that from the
 * Go shims too.
 *
 * A call back from the client may run inside the client's own code, so there only its closed
 * function frees it; all others leave that to the retry timer.
 */
#include "shim/pod/event-publisher.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/task-pb.h"
#include "guest-protocol/ttrpc/transport.h"
#include "guest-protocol/ttrpc/ttrpc-client.h"

#define SERVICE "containerd.services.events.ttrpc.v1.Events"
#define CALL_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS 2000
#define MAX_REFUSALS 5

typedef Containerd__Services__Events__Ttrpc__V1__ForwardRequest ForwardRequest;
typedef Containerd__Services__Events__Ttrpc__V1__Envelope Envelope;

typedef struct {
    CocoEventFlushedFunc callback;
    void *user_data;
    guint timeout_id;
    guint idle_id;
} Flush;

struct _CocoEventPublisher {
    char *address; /* NULL: discard */
    char *ns;
    GQueue queue; /* of ForwardRequest; the head is under way when is_calling */
    CocoTtrpcClient *client;
    GCancellable *cancellable;
    Flush flush;
    guint retry_id;
    unsigned int retry_ms;
    unsigned int n_refusals; /* of the head */
    uint64_t n_dropped;
    bool is_connecting;
    bool is_calling;
    bool is_stale;  /* the connection is of no more use, but cannot be freed where that was seen */
    bool is_full;   /* said so, and not half empty since */
    bool is_closed; /* freed by its owner, kept by a pending callback */
};

static void pump(CocoEventPublisher *publisher);

static void
free_request(void *request)
{
    containerd__services__events__ttrpc__v1__forward_request__free_unpacked(request, NULL);
}

CocoEventPublisher *
coco_event_publisher_new(const char *ttrpc_address, const char *ns)
{
    CocoEventPublisher *publisher = g_rc_box_new0(CocoEventPublisher);

    if (ttrpc_address != NULL && ttrpc_address[0] != '\0')
        publisher->address = strstr(ttrpc_address, "://") != NULL
                                 ? g_strdup(ttrpc_address)
                                 : g_strconcat("unix://", ttrpc_address, NULL);
    publisher->ns = g_strdup(ns);
    g_queue_init(&publisher->queue);
    publisher->cancellable = g_cancellable_new();
    publisher->retry_ms = RETRY_FIRST_MS;
    return publisher;
}

static void
clear(void *data)
{
    CocoEventPublisher *publisher = data;

    g_queue_clear_full(&publisher->queue, free_request);
    g_clear_object(&publisher->cancellable);
    g_free(publisher->address);
    g_free(publisher->ns);
}

static void
unref(CocoEventPublisher *publisher)
{
    g_rc_box_release_full(publisher, clear);
}

/* What a pending callback holds. */
typedef CocoEventPublisher PublisherRef;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PublisherRef, unref)

static void
clear_flush(Flush *flush)
{
    g_clear_handle_id(&flush->timeout_id, g_source_remove);
    g_clear_handle_id(&flush->idle_id, g_source_remove);
    *flush = (Flush){ 0 };
}

void
coco_event_publisher_free(CocoEventPublisher *publisher)
{
    if (publisher == NULL)
        return;
    publisher->is_closed = true;
    clear_flush(&publisher->flush);
    g_clear_handle_id(&publisher->retry_id, g_source_remove);
    g_cancellable_cancel(publisher->cancellable);
    g_clear_pointer(&publisher->client, coco_ttrpc_client_free);
    unref(publisher);
}

size_t
coco_event_publisher_get_n_pending(const CocoEventPublisher *publisher)
{
    return publisher->queue.length;
}

uint64_t
coco_event_publisher_get_n_dropped(const CocoEventPublisher *publisher)
{
    return publisher->n_dropped;
}

/* ---- sending ---- */

static gboolean
on_retry_due(void *user_data)
{
    CocoEventPublisher *publisher = user_data;

    publisher->retry_id = 0;
    if (publisher->is_stale)
        g_clear_pointer(&publisher->client, coco_ttrpc_client_free);
    publisher->is_stale = false;
    pump(publisher);
    return G_SOURCE_REMOVE;
}

static void
retry_later(CocoEventPublisher *publisher)
{
    if (publisher->retry_id != 0)
        return;
    publisher->retry_id = g_timeout_add(publisher->retry_ms, on_retry_due, publisher);
    publisher->retry_ms = MIN(publisher->retry_ms * 2, RETRY_LAST_MS);
}

static void
on_client_closed(CocoTtrpcClient *client, const GError *reason, void *user_data)
{
    CocoEventPublisher *publisher = user_data;

    g_debug("connection for events closed: %s", reason->message);
    if (publisher->client == client)
        g_clear_pointer(&publisher->client, coco_ttrpc_client_free);
}

static void
on_connected(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(PublisherRef) publisher = user_data;
    g_autoptr(GError) error = NULL;
    g_auto(CocoFd) fd = coco_transport_connect_finish(result, &error);

    publisher->is_connecting = false;
    if (publisher->is_closed)
        return;
    if (fd < 0) {
        g_debug("connect to '%s' for events: %s", publisher->address, error->message);
        retry_later(publisher);
        return;
    }
    publisher->client = coco_ttrpc_client_new(coco_fd_steal(&fd));
    coco_ttrpc_client_set_closed_func(publisher->client, on_client_closed, publisher);
    pump(publisher);
}

/* Whether the head can still be delivered after containerd has answered with error. */
static bool
is_refused_for_good(CocoEventPublisher *publisher, const GError *error)
{
    if (error->code == COCO_TTRPC_INVALID_ARGUMENT || error->code == COCO_TTRPC_UNIMPLEMENTED ||
        error->code == COCO_TTRPC_RESOURCE_EXHAUSTED)
        return true;
    return ++publisher->n_refusals == MAX_REFUSALS;
}

static void
drop_head(CocoEventPublisher *publisher)
{
    free_request(g_queue_pop_head(&publisher->queue));
    publisher->n_refusals = 0;
}

static void
handle_failure(CocoEventPublisher *publisher, const GError *error)
{
    const ForwardRequest *head = g_queue_peek_head(&publisher->queue);

    if (error->code == COCO_TTRPC_UNAVAILABLE || error->code == COCO_TTRPC_CANCELLED ||
        error->code == COCO_TTRPC_DEADLINE_EXCEEDED) {
        g_debug("send event %s: %s", head->envelope->topic, error->message);
        publisher->is_stale = true;
        retry_later(publisher);
    } else if (is_refused_for_good(publisher, error)) {
        g_warning("send event %s: containerd refuses it: %s", head->envelope->topic,
                  error->message);
        publisher->n_dropped++;
        drop_head(publisher);
        pump(publisher);
    } else {
        retry_later(publisher);
    }
}

static void
on_forwarded(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(PublisherRef) publisher = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    publisher->is_calling = false;
    if (publisher->is_closed)
        return;
    if (reply == NULL) {
        handle_failure(publisher, error);
        return;
    }
    publisher->retry_ms = RETRY_FIRST_MS;
    drop_head(publisher);
    if (publisher->queue.length < COCO_EVENT_QUEUE_MAX / 2)
        publisher->is_full = false;
    pump(publisher);
}

/* ---- flushing ---- */

static void
end_flush(CocoEventPublisher *publisher)
{
    Flush flush = publisher->flush;

    clear_flush(&publisher->flush);
    flush.callback(flush.user_data);
}

static gboolean
on_flushed(void *user_data)
{
    CocoEventPublisher *publisher = user_data;

    publisher->flush.idle_id = 0;
    if (publisher->queue.length == 0) /* or one was published since; pump() will come here again */
        end_flush(publisher);
    return G_SOURCE_REMOVE;
}

static gboolean
on_flush_timeout(void *user_data)
{
    CocoEventPublisher *publisher = user_data;

    publisher->flush.timeout_id = 0;
    g_warning("%u events could not be sent to containerd in time", publisher->queue.length);
    end_flush(publisher);
    return G_SOURCE_REMOVE;
}

/* containerd takes its socket away when it stops. */
static bool
is_nobody_there(const CocoEventPublisher *publisher)
{
    const char *path = publisher->address != NULL ? strstr(publisher->address, "://") : NULL;

    return publisher->client == NULL && path != NULL && access(path + strlen("://"), F_OK) != 0;
}

void
coco_event_publisher_flush_async(CocoEventPublisher *publisher, int64_t timeout_us,
                                 CocoEventFlushedFunc callback, void *user_data)
{
    g_return_if_fail(publisher->flush.callback == NULL);
    publisher->flush.callback = callback;
    publisher->flush.user_data = user_data;
    publisher->flush.timeout_id = g_timeout_add(
        is_nobody_there(publisher) ? 0 : (guint) (timeout_us / 1000), on_flush_timeout, publisher);
    pump(publisher);
}

/* ---- the next thing to do ---- */

static void
pump(CocoEventPublisher *publisher)
{
    if (publisher->is_calling || publisher->is_connecting || publisher->retry_id != 0)
        return;
    if (publisher->queue.length == 0) {
        if (publisher->flush.callback != NULL && publisher->flush.idle_id == 0)
            publisher->flush.idle_id = g_idle_add(on_flushed, publisher);
    } else if (publisher->client == NULL) {
        publisher->is_connecting = true;
        coco_transport_connect_async(publisher->address, CALL_TIMEOUT_US, publisher->cancellable,
                                     on_connected, g_rc_box_acquire(publisher));
    } else {
        ForwardRequest *head = g_queue_peek_head(&publisher->queue);

        publisher->is_calling = true;
        coco_ttrpc_client_call_async(publisher->client, SERVICE, "Forward", &head->base,
                                     &google__protobuf__empty__descriptor, CALL_TIMEOUT_US,
                                     publisher->cancellable, on_forwarded,
                                     g_rc_box_acquire(publisher));
    }
}

static ForwardRequest *
new_request(const char *ns, const char *topic, const ProtobufCMessage *event)
{
    int64_t now_us = g_get_real_time();
    ForwardRequest *request = g_new(ForwardRequest, 1);
    Envelope *envelope = g_new(Envelope, 1);

    containerd__services__events__ttrpc__v1__forward_request__init(request);
    containerd__services__events__ttrpc__v1__envelope__init(envelope);
    request->envelope = envelope;
    envelope->namespace_ = g_strdup(ns);
    envelope->topic = g_strdup(topic);
    envelope->timestamp = g_new(Google__Protobuf__Timestamp, 1);
    google__protobuf__timestamp__init(envelope->timestamp);
    envelope->timestamp->seconds = now_us / G_USEC_PER_SEC;
    envelope->timestamp->nanos = (int32_t) (now_us % G_USEC_PER_SEC) * 1000;
    envelope->event = g_new(Google__Protobuf__Any, 1);
    google__protobuf__any__init(envelope->event);
    envelope->event->type_url = g_strdup(event->descriptor->name);
    envelope->event->value.len = protobuf_c_message_get_packed_size(event);
    envelope->event->value.data = g_malloc(envelope->event->value.len);
    protobuf_c_message_pack(event, envelope->event->value.data);
    return request;
}

/* The oldest that is not on its way. */
static void
drop_oldest(CocoEventPublisher *publisher)
{
    free_request(g_queue_pop_nth(&publisher->queue, publisher->is_calling ? 1 : 0));
    publisher->n_dropped++;
    if (!publisher->is_full)
        g_warning("containerd takes no events: the oldest of %d are dropped", COCO_EVENT_QUEUE_MAX);
    publisher->is_full = true;
}

void
coco_event_publisher_publish(CocoEventPublisher *publisher, const char *topic,
                             const ProtobufCMessage *event)
{
    if (publisher->address == NULL) {
        g_debug("nobody to send event %s to", topic);
        return;
    }
    g_queue_push_tail(&publisher->queue, new_request(publisher->ns, topic, event));
    if (publisher->queue.length > COCO_EVENT_QUEUE_MAX)
        drop_oldest(publisher);
    pump(publisher);
}

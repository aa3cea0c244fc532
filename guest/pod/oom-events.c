// SPDX-License-Identifier: Apache-2.0
/*
 * Events that nobody asks for are kept, the oldest given up first; those who ask wait in a queue.
 */
#include "guest/pod/oom-events.h"

#include "guest-protocol/proto/ttrpc-error.h"

#define EVENTS_MAX 256
#define WAITERS_MAX 64

typedef struct {
    GCancellable *cancellable;
    CocoOomEventsFunc func;
    void *user_data;
} Waiter;

struct _CocoOomEvents {
    GQueue ids;
    GQueue waiters;
};

CocoOomEvents *
coco_oom_events_new(void)
{
    CocoOomEvents *events = g_new0(CocoOomEvents, 1);

    g_queue_init(&events->ids);
    g_queue_init(&events->waiters);
    return events;
}

static void
waiter_end(Waiter *waiter, const char *id, CocoTtrpcCode code, const char *text)
{
    g_autoptr(GError) error =
        id == NULL ? g_error_new_literal(COCO_TTRPC_ERROR, (int) code, text) : NULL;

    waiter->func(id, error, waiter->user_data);
    g_clear_object(&waiter->cancellable);
    g_free(waiter);
}

static Waiter *
first_waiter(CocoOomEvents *events)
{
    Waiter *waiter;

    while ((waiter = g_queue_pop_head(&events->waiters)) != NULL) {
        if (waiter->cancellable == NULL || !g_cancellable_is_cancelled(waiter->cancellable))
            return waiter;
        waiter_end(waiter, NULL, COCO_TTRPC_CANCELLED, "caller is gone");
    }
    return NULL;
}

void
coco_oom_events_tell(CocoOomEvents *events, const char *id)
{
    Waiter *waiter = first_waiter(events);

    if (waiter != NULL) {
        waiter_end(waiter, id, COCO_TTRPC_OK, NULL);
        return;
    }
    g_queue_push_tail(&events->ids, g_strdup(id));
    if (g_queue_get_length(&events->ids) > EVENTS_MAX)
        g_free(g_queue_pop_head(&events->ids));
}

void
coco_oom_events_wait(CocoOomEvents *events, GCancellable *cancellable, CocoOomEventsFunc func,
                     void *user_data)
{
    Waiter *waiter = g_new0(Waiter, 1);
    g_autofree char *id = g_queue_pop_head(&events->ids);

    waiter->cancellable = cancellable != NULL ? g_object_ref(cancellable) : NULL;
    waiter->func = func;
    waiter->user_data = user_data;
    if (id != NULL) {
        waiter_end(waiter, id, COCO_TTRPC_OK, NULL);
        return;
    }
    /* Put back the first that still lives; those before it were dropped. */
    if (g_queue_get_length(&events->waiters) >= WAITERS_MAX) {
        Waiter *first = first_waiter(events);

        if (first != NULL)
            g_queue_push_head(&events->waiters, first);
    }
    if (g_queue_get_length(&events->waiters) >= WAITERS_MAX)
        waiter_end(waiter, NULL, COCO_TTRPC_RESOURCE_EXHAUSTED, "too many wait for OOM events");
    else
        g_queue_push_tail(&events->waiters, waiter);
}

void
coco_oom_events_end(CocoOomEvents *events)
{
    Waiter *waiter;

    while ((waiter = g_queue_pop_head(&events->waiters)) != NULL)
        waiter_end(waiter, NULL, COCO_TTRPC_CANCELLED, "the sandbox ends");
}

void
coco_oom_events_free(CocoOomEvents *events)
{
    if (events == NULL)
        return;
    coco_oom_events_end(events);
    g_queue_clear_full(&events->ids, g_free);
    g_free(events);
}

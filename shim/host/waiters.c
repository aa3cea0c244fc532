// SPDX-License-Identifier: Apache-2.0
/*
 * A queue. Whoever is told may do anything, end other waiters' callers and free the list included:
 * so one is taken out, then told, and nothing is remembered of the queue meanwhile.
 */
#include "shim/host/waiters.h"

#include "guest-protocol/proto/ttrpc-error.h"

#define GONE "nobody waits any more"

typedef struct {
    CocoWaiters *waiters;
    GCancellable *caller; /* nullable */
    unsigned long gone_handler;
    CocoWaiterFunc func;
    void *user_data;
    GList link;
} Waiter;

struct _CocoWaiters {
    GQueue queue; /* of Waiter's links */
};

CocoWaiters *
coco_waiters_new(void)
{
    CocoWaiters *waiters = g_rc_box_new0(CocoWaiters);

    g_queue_init(&waiters->queue);
    return waiters;
}

/* Not by g_cancellable_disconnect(), which waits for the handler that may be running. */
static void
take_out(Waiter *waiter)
{
    g_queue_unlink(&waiter->waiters->queue, &waiter->link);
    if (waiter->caller != NULL)
        g_signal_handler_disconnect(waiter->caller, waiter->gone_handler);
}

static void
waiter_free(Waiter *waiter)
{
    g_clear_object(&waiter->caller);
    g_free(waiter);
}

static void
tell(Waiter *waiter, const GError *error)
{
    take_out(waiter);
    waiter->func(error, waiter->user_data);
    waiter_free(waiter);
}

void
coco_waiters_free(CocoWaiters *waiters)
{
    if (waiters == NULL)
        return;
    while (waiters->queue.head != NULL) {
        Waiter *waiter = waiters->queue.head->data;

        take_out(waiter);
        waiter_free(waiter);
    }
    g_rc_box_release(waiters);
}

static void
refuse(CocoTtrpcCode code, const char *message, CocoWaiterFunc func, void *user_data)
{
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, (int) code, message);

    func(error, user_data);
}

static void
on_caller_gone(GCancellable *caller, void *user_data)
{
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED, GONE);

    tell(user_data, error);
}

void
coco_waiters_add(CocoWaiters *waiters, GCancellable *caller, CocoWaiterFunc func, void *user_data)
{
    Waiter *waiter;

    if (g_cancellable_is_cancelled(caller)) {
        refuse(COCO_TTRPC_CANCELLED, GONE, func, user_data);
        return;
    }
    if (waiters->queue.length >= COCO_WAITERS_MAX) {
        refuse(COCO_TTRPC_RESOURCE_EXHAUSTED, "too many wait for the same already", func,
               user_data);
        return;
    }
    waiter = g_new0(Waiter, 1);
    waiter->waiters = waiters;
    waiter->func = func;
    waiter->user_data = user_data;
    waiter->link.data = waiter;
    if (caller != NULL) {
        waiter->caller = g_object_ref(caller);
        waiter->gone_handler =
            g_signal_connect(caller, "cancelled", G_CALLBACK(on_caller_gone), waiter);
    }
    g_queue_push_tail_link(&waiters->queue, &waiter->link);
}

/* Those who come meanwhile are left for the next time. */
void
coco_waiters_tell(CocoWaiters *waiters, const GError *error)
{
    CocoWaiters *held = g_rc_box_acquire(waiters);

    for (unsigned int n = held->queue.length; n > 0 && held->queue.head != NULL; n--)
        tell(held->queue.head->data, error);
    g_rc_box_release(held);
}

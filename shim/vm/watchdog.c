// SPDX-License-Identifier: Apache-2.0
/*
 * One moment since which an answer is owed, and one Health.Check at a time.
 */
#include "shim/vm/watchdog.h"

#include "guest-protocol/agent/agent-call.h"

struct _CocoWatchdog {
    CocoTtrpcClient *agent;
    int64_t asked_at; /* the first call since the agent last spoke */
    unsigned int overdue_source;
    bool asking;
    GCancellable *cancellable; /* of what is asked */
};

CocoWatchdog *
coco_watchdog_new(CocoTtrpcClient *agent)
{
    CocoWatchdog *watchdog = g_rc_box_new0(CocoWatchdog);

    watchdog->agent = agent;
    watchdog->cancellable = g_cancellable_new();
    return watchdog;
}

static void
clear(void *data)
{
    CocoWatchdog *watchdog = data;

    g_object_unref(watchdog->cancellable);
}

static void
unref(CocoWatchdog *watchdog)
{
    g_rc_box_release_full(watchdog, clear);
}

void
coco_watchdog_free(CocoWatchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    g_clear_handle_id(&watchdog->overdue_source, g_source_remove);
    g_cancellable_cancel(watchdog->cancellable);
    unref(watchdog);
}

/* Bytes that came since are an answer to somebody, so that a Check alone tells nothing more. */
static bool
owes_answer(const CocoWatchdog *watchdog)
{
    return watchdog->asked_at > coco_ttrpc_client_heard_at(watchdog->agent);
}

static void
on_checked(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, NULL);
    CocoWatchdog *watchdog = user_data; /* the reference of ask() */

    watchdog->asking = false;
    unref(watchdog);
}

/* Without a deadline: its answer, however late, says that the guest is back. */
static void
ask(CocoWatchdog *watchdog)
{
    CocoAgentCall call = {
        .client = watchdog->agent,
        .cancellable = watchdog->cancellable,
        .callback = on_checked,
        .user_data = watchdog,
    };

    if (watchdog->asking)
        return;
    watchdog->asking = true;
    (void) g_rc_box_acquire(watchdog);
    coco_agent_check(&call);
}

static gboolean
on_overdue(void *user_data)
{
    CocoWatchdog *watchdog = user_data;

    watchdog->overdue_source = 0;
    if (owes_answer(watchdog))
        ask(watchdog);
    return G_SOURCE_REMOVE;
}

void
coco_watchdog_note_call(CocoWatchdog *watchdog)
{
    if (owes_answer(watchdog))
        return;
    watchdog->asked_at = g_get_monotonic_time();
    g_clear_handle_id(&watchdog->overdue_source, g_source_remove);
    watchdog->overdue_source = g_timeout_add(COCO_WATCHDOG_OVERDUE_MS, on_overdue, watchdog);
}

void
coco_watchdog_ask(CocoWatchdog *watchdog)
{
    coco_watchdog_note_call(watchdog);
    ask(watchdog);
}

int64_t
coco_watchdog_silence_us(const CocoWatchdog *watchdog)
{
    return owes_answer(watchdog) ? g_get_monotonic_time() - watchdog->asked_at : 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * One call at a time; the end of the agent is the end of the watch.
 */
#include "shim/pod/oom-watch.h"

#include "guest-protocol/agent/agent-call.h"

struct _CocoOomWatch {
    CocoTtrpcClient *agent;
    CocoOomFunc func;
    void *user_data;
    int64_t burst_start_us;
    unsigned int n_in_burst;
    unsigned int pause_source;
};

static void ask(CocoOomWatch *watch);

static gboolean
on_pause_over(void *user_data)
{
    CocoOomWatch *watch = user_data;

    watch->pause_source = 0;
    ask(watch);
    return G_SOURCE_REMOVE;
}

static void
ask_again(CocoOomWatch *watch)
{
    int64_t now_us = g_get_monotonic_time();
    int64_t left_ms = COCO_OOM_WATCH_PAUSE_MS - (now_us - watch->burst_start_us) / 1000;

    if (left_ms <= 0) {
        watch->burst_start_us = now_us;
        watch->n_in_burst = 0;
    }
    if (++watch->n_in_burst <= COCO_OOM_WATCH_BURST)
        ask(watch);
    else
        watch->pause_source = g_timeout_add((unsigned int) left_ms, on_pause_over, watch);
}

static void
on_event(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    CocoOomWatch *watch = user_data;

    if (reply == NULL) {
        g_debug("no more events of memory: %s", error->message);
        return;
    }
    watch->func(((const Grpc__OOMEvent *) reply)->container_id, watch->user_data);
    ask_again(watch);
}

static void
ask(CocoOomWatch *watch)
{
    CocoAgentCall call = { .client = watch->agent, .callback = on_event, .user_data = watch };

    coco_agent_get_oom_event(&call);
}

CocoOomWatch *
coco_oom_watch_new(CocoTtrpcClient *agent, CocoOomFunc func, void *user_data)
{
    CocoOomWatch *watch = g_new0(CocoOomWatch, 1);

    watch->agent = agent;
    watch->func = func;
    watch->user_data = user_data;
    ask(watch);
    return watch;
}

void
coco_oom_watch_free(CocoOomWatch *watch)
{
    if (watch == NULL)
        return;
    g_clear_handle_id(&watch->pause_source, g_source_remove);
    g_free(watch);
}

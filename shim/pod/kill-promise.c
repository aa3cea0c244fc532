// SPDX-License-Identifier: Apache-2.0
/*
 * One timer a container: a look at the agent's silence, then the end.
 */
#include "shim/pod/kill-promise.h"

#include "shim/vm/watchdog.h"

typedef struct {
    CocoPod *pod;
    CocoContainer *container; /* owns the timer that owns this */
} Promise;

static gboolean on_limit(void *user_data);

static void
arm(CocoPod *pod, CocoContainer *container, unsigned int milliseconds, GSourceFunc func)
{
    Promise *promise = g_new(Promise, 1);

    *promise = (Promise){ .pod = pod, .container = container };
    coco_container_set_kill_source(
        container, g_timeout_add_full(G_PRIORITY_DEFAULT, milliseconds, func, promise, g_free));
}

static void
abandon(const Promise *promise, const char *why)
{
    g_autoptr(GError) error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                                          "the guest did not end container %s after SIGKILL: %s",
                                          coco_container_id(promise->container), why);

    coco_pod_vm_abandon(coco_pod_vm(promise->pod), error);
}

static gboolean
on_limit(void *user_data)
{
    const Promise *promise = user_data;

    coco_container_set_kill_source(promise->container, 0);
    abandon(promise, "its agent answers, but tells no exit");
    return G_SOURCE_REMOVE;
}

static gboolean
on_silent_limit(void *user_data)
{
    const Promise *promise = user_data;
    const CocoWatchdog *watchdog = coco_pod_vm_watchdog(coco_pod_vm(promise->pod));
    int64_t silence_ms = watchdog != NULL ? coco_watchdog_silence_us(watchdog) / 1000 : 0;

    coco_container_set_kill_source(promise->container, 0);
    /* Asked when the promise was made. A little less than the timer's time is as good. */
    if (silence_ms > COCO_KILL_PROMISE_SILENT_MS - COCO_WATCHDOG_OVERDUE_MS)
        abandon(promise, "its agent is silent");
    else
        arm(promise->pod, promise->container, COCO_KILL_PROMISE_MS - COCO_KILL_PROMISE_SILENT_MS,
            on_limit);
    return G_SOURCE_REMOVE;
}

void
coco_kill_promise_make(CocoPod *pod, CocoContainer *container)
{
    CocoWatchdog *watchdog = coco_pod_vm_watchdog(coco_pod_vm(pod));

    if (watchdog == NULL || coco_container_has_kill_source(container))
        return;
    coco_watchdog_ask(watchdog);
    arm(pod, container, COCO_KILL_PROMISE_SILENT_MS, on_silent_limit);
}

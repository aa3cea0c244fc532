// SPDX-License-Identifier: Apache-2.0
/*
 * Looks again whenever the kernel says that devices have changed (interface-wait.h).
 */
#include "guest/network/interface-wait.h"

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/network/interface.h"
#include "guest/system/device-events.h"

typedef struct {
    const Types__Interface *interface;
    GCancellable *cancellable;
    unsigned long cancelled_handler;
    CocoInterfaceWaitFunc func;
    void *user_data;
    CocoDeviceEvents *events;
    guint timeout_id;
    guint cancelled_id;
} Wait;

static void
finish(Wait *wait, const GError *error)
{
    CocoInterfaceWaitFunc func = wait->func;
    void *user_data = wait->user_data;

    g_clear_handle_id(&wait->timeout_id, g_source_remove);
    g_clear_handle_id(&wait->cancelled_id, g_source_remove);
    g_clear_signal_handler(&wait->cancelled_handler, wait->cancellable);
    g_object_unref(wait->cancellable);
    coco_device_events_free(wait->events);
    g_free(wait);
    func(error, user_data);
}

static void
on_device_event(void *user_data)
{
    Wait *wait = user_data;

    if (coco_interface_is_there(wait->interface, NULL))
        finish(wait, NULL);
}

static gboolean
on_timeout(void *user_data)
{
    Wait *wait = user_data;
    g_autoptr(GError) error = NULL;

    wait->timeout_id = 0;
    (void) coco_interface_is_there(wait->interface, &error);
    finish(wait, error);
    return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled_idle(void *user_data)
{
    Wait *wait = user_data;
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED,
                                                  "nobody waits for the interface any more");

    wait->cancelled_id = 0;
    finish(wait, error);
    return G_SOURCE_REMOVE;
}

/* From the main loop: a handler must not take itself away. */
static void
on_cancelled(GCancellable *cancellable, void *user_data)
{
    Wait *wait = user_data;

    wait->cancelled_id = g_idle_add_full(G_PRIORITY_DEFAULT, on_cancelled_idle, wait, NULL);
}

void
coco_interface_wait(const Types__Interface *interface, unsigned int timeout_ms,
                    GCancellable *cancellable, CocoInterfaceWaitFunc func, void *user_data)
{
    g_autoptr(GError) error = NULL;
    Wait *wait;

    if (coco_interface_is_there(interface, NULL)) {
        func(NULL, user_data);
        return;
    }
    wait = g_new0(Wait, 1);
    wait->interface = interface;
    wait->cancellable = g_object_ref(cancellable);
    wait->func = func;
    wait->user_data = user_data;
    wait->events = coco_device_events_new(on_device_event, wait, &error);
    if (wait->events == NULL || coco_interface_is_there(interface, NULL)) {
        finish(wait, error);
        return;
    }
    wait->timeout_id = g_timeout_add(timeout_ms, on_timeout, wait);
    wait->cancelled_handler =
        g_signal_connect(cancellable, "cancelled", G_CALLBACK(on_cancelled), wait);
}

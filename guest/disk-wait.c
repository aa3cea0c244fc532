// SPDX-License-Identifier: Apache-2.0
/*
 * Looks again whenever the kernel says that devices have changed (disk-wait.h).
 */
#include "guest/disk-wait.h"

#include <string.h>

#include "guest-protocol/ttrpc-error.h"
#include "guest/block-device.h"
#include "guest/device-events.h"

#define DISK_DRIVER "blk"

typedef struct {
    char *sys;
    Grpc__Storage *const *storages;
    size_t n;
    CocoDiskWaitFunc func;
    void *user_data;
    CocoDeviceEvents *events;
    guint timeout_id;
} Wait;

/* True when there is nothing to wait for; else error says what is missing. */
static bool
are_there(const char *sys, Grpc__Storage *const *storages, size_t n, GError **error)
{
    for (size_t i = 0; i < n; i++) {
        g_autoptr(GError) failure = NULL;
        g_autofree char *device = NULL;

        if (strcmp(storages[i]->driver, DISK_DRIVER) != 0)
            continue;
        device = coco_block_device_find(sys, storages[i]->source, &failure);
        if (device == NULL && failure->code == COCO_TTRPC_NOT_FOUND) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
    }
    return true;
}

static void
finish(Wait *wait, const GError *error)
{
    g_clear_handle_id(&wait->timeout_id, g_source_remove);
    coco_device_events_free(wait->events);
    wait->func(error, wait->user_data);
    g_free(wait->sys);
    g_free(wait);
}

static void
on_device_event(void *user_data)
{
    Wait *wait = user_data;

    if (are_there(wait->sys, wait->storages, wait->n, NULL))
        finish(wait, NULL);
}

static gboolean
on_timeout(void *user_data)
{
    Wait *wait = user_data;
    g_autoptr(GError) error = NULL;

    wait->timeout_id = 0;
    (void) are_there(wait->sys, wait->storages, wait->n, &error);
    finish(wait, error);
    return G_SOURCE_REMOVE;
}

void
coco_disk_wait(const char *sys, Grpc__Storage *const *storages, size_t n, unsigned int timeout_ms,
               CocoDiskWaitFunc func, void *user_data)
{
    g_autoptr(GError) error = NULL;
    Wait *wait;

    if (are_there(sys, storages, n, NULL)) {
        func(NULL, user_data);
        return;
    }
    wait = g_new0(Wait, 1);
    wait->sys = g_strdup(sys);
    wait->storages = storages;
    wait->n = n;
    wait->func = func;
    wait->user_data = user_data;
    wait->events = coco_device_events_new(on_device_event, wait, &error);
    if (wait->events == NULL || are_there(sys, storages, n, NULL))
        finish(wait, error);
    else
        wait->timeout_id = g_timeout_add(timeout_ms, on_timeout, wait);
}

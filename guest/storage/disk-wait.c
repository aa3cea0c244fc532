// SPDX-License-Identifier: Apache-2.0
/*
 * Looks again whenever the kernel says that devices have changed (disk-wait.h).
 */
#include "guest/storage/disk-wait.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/storage/block-device.h"
#include "guest/system/device-events.h"

#define DISK_DRIVER "blk"

struct _CocoDiskWait {
    char *root;
    Grpc__Storage *const *storages;
    size_t n;
    CocoDiskWaitFunc func;
    void *user_data;
    CocoDeviceEvents *events;
    guint timeout_id;
};

static bool
can_be_opened(const char *root, const char *device)
{
    g_autofree char *path = g_strconcat(root, device, NULL);
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd >= 0 || (errno != ENOENT && errno != ENXIO && errno != ENODEV);
}

/* False with error when the storage is on a disk that is not there yet. */
static bool
is_there(const char *root, const Grpc__Storage *storage, GError **error)
{
    g_autofree char *sys = g_strconcat(root, "/sys", NULL);
    g_autoptr(GError) failure = NULL;
    g_autofree char *device = NULL;

    if (strcmp(storage->driver, DISK_DRIVER) != 0)
        return true;
    device = coco_block_device_find(sys, storage->source, &failure);
    if (device == NULL && failure->code == COCO_TTRPC_NOT_FOUND) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    if (device == NULL || can_be_opened(root, device))
        return true;
    return coco_ttrpc_failed(error, COCO_TTRPC_NOT_FOUND, "open disk '%s': it is not ready",
                             device);
}

/* True when there is nothing to wait for; else error says what is missing. */
static bool
are_there(const char *root, Grpc__Storage *const *storages, size_t n, GError **error)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_there(root, storages[i], error))
            return false;
    }
    return true;
}

void
coco_disk_wait_cancel(CocoDiskWait *wait)
{
    g_clear_handle_id(&wait->timeout_id, g_source_remove);
    coco_device_events_free(wait->events);
    g_free(wait->root);
    g_free(wait);
}

static void
finish(CocoDiskWait *wait, const GError *error)
{
    CocoDiskWaitFunc func = wait->func;
    void *user_data = wait->user_data;

    coco_disk_wait_cancel(wait);
    func(error, user_data);
}

static void
on_device_event(void *user_data)
{
    CocoDiskWait *wait = user_data;

    if (are_there(wait->root, wait->storages, wait->n, NULL))
        finish(wait, NULL);
}

static gboolean
on_timeout(void *user_data)
{
    CocoDiskWait *wait = user_data;
    g_autoptr(GError) error = NULL;

    wait->timeout_id = 0;
    (void) are_there(wait->root, wait->storages, wait->n, &error);
    finish(wait, error);
    return G_SOURCE_REMOVE;
}

CocoDiskWait *
coco_disk_wait(const char *root, Grpc__Storage *const *storages, size_t n, unsigned int timeout_ms,
               CocoDiskWaitFunc func, void *user_data)
{
    g_autoptr(GError) error = NULL;
    CocoDiskWait *wait;

    if (are_there(root, storages, n, NULL)) {
        func(NULL, user_data);
        return NULL;
    }
    wait = g_new0(CocoDiskWait, 1);
    wait->root = g_strdup(root);
    wait->storages = storages;
    wait->n = n;
    wait->func = func;
    wait->user_data = user_data;
    wait->events = coco_device_events_new(on_device_event, wait, &error);
    if (wait->events == NULL || are_there(root, storages, n, NULL)) {
        finish(wait, error);
        return NULL;
    }
    wait->timeout_id = g_timeout_add(timeout_ms, on_timeout, wait);
    return wait;
}

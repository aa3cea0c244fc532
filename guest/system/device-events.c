// SPDX-License-Identifier: Apache-2.0
/*
 * A netlink socket, read empty at each wake-up: what the events say is not looked at.
 */
#include "guest/system/device-events.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define KERNEL_EVENTS_GROUP 1

struct _CocoDeviceEvents {
    int fd;
    GSource *source;
    CocoDeviceEventsFunc func;
    void *user_data;
};

static gboolean
on_event(int fd, GIOCondition condition, void *user_data)
{
    CocoDeviceEvents *events = user_data;
    char text[4096];

    while (recv(fd, text, sizeof text, 0) > 0)
        ;
    events->func(events->user_data);
    return G_SOURCE_CONTINUE;
}

CocoDeviceEvents *
coco_device_events_new(CocoDeviceEventsFunc func, void *user_data, GError **error)
{
    const struct sockaddr_nl address = { .nl_family = AF_NETLINK,
                                         .nl_groups = KERNEL_EVENTS_GROUP };
    g_auto(CocoFd) fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    CocoDeviceEvents *events;

    if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "listen to device events: %s",
                    g_strerror(errno));
        return NULL;
    }
    events = g_new0(CocoDeviceEvents, 1);
    events->func = func;
    events->user_data = user_data;
    events->fd = coco_fd_steal(&fd);
    events->source = g_unix_fd_source_new(events->fd, G_IO_IN);
    g_source_set_callback(events->source, G_SOURCE_FUNC(on_event), events, NULL);
    g_source_attach(events->source, g_main_context_get_thread_default());
    return events;
}

void
coco_device_events_free(CocoDeviceEvents *events)
{
    if (events == NULL)
        return;
    g_source_destroy(events->source);
    g_source_unref(events->source);
    coco_fd_clear(&events->fd);
    g_free(events);
}

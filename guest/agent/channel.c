// SPDX-License-Identifier: Apache-2.0
/*
 * The port is /dev/NODE where /sys/class/virtio-ports/NODE/name says so; the kernel announces
 * ports, and the arrival of their names, as device events.
 *
 * The server's stream knows ports: it waits without spinning for as long as no host is connected,
 * and ends its connection when a host that was heard leaves. Then it gets a new one on the same
 * port. The port is kept open meanwhile, and the server gets duplicates, because it may be opened
 * only once.
 *
 * Nothing else may poll the port: in the kernel (drivers/char/virtio_console.c) poll() takes the
 * next buffer from the queue, and the interrupt that comes for it then finds nothing new and wakes
 * nobody. A second watcher so takes the first one's wake-ups away (seen once in some 2000
 * requests).
 */
#include "guest/agent/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/device-events.h"

#define PORTS "/sys/class/virtio-ports"

struct _CocoChannel {
    CocoTtrpcServer *server;
    char *name;
    CocoDeviceEvents *events; /* until the port is found */
    CocoFd port;
    char *path;
    guint resume_id;
};

static void
serve(CocoChannel *channel)
{
    int duplicate = fcntl(channel->port, F_DUPFD_CLOEXEC, 3);

    if (duplicate >= 0)
        coco_ttrpc_server_add_connection(channel->server, duplicate);
    else
        g_warning("serve channel %s: %s", channel->path, g_strerror(errno));
}

static gboolean
on_resume(void *user_data)
{
    CocoChannel *channel = user_data;

    channel->resume_id = 0;
    /* A port that was unplugged has no node any more and would end every connection at once. */
    if (access(channel->path, F_OK) == 0)
        serve(channel);
    return G_SOURCE_REMOVE;
}

/* Not at once: the server is still busy with the connection that ended. */
static void
on_connection_closed(CocoTtrpcServer *server, unsigned int n_left, void *user_data)
{
    CocoChannel *channel = user_data;

    if (channel->resume_id == 0)
        channel->resume_id = g_idle_add(on_resume, channel);
}

static bool
use_port(CocoChannel *channel, const char *node)
{
    g_free(channel->path);
    channel->path = g_build_filename("/dev", node, NULL);
    channel->port = open(channel->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (channel->port < 0) {
        g_warning("open channel %s: %s", channel->path, g_strerror(errno));
        return false;
    }
    serve(channel);
    return true;
}

static bool
find_port(CocoChannel *channel)
{
    g_autoptr(GDir) ports = g_dir_open(PORTS, 0, NULL);
    const char *node;

    while (ports != NULL && (node = g_dir_read_name(ports)) != NULL) {
        g_autofree char *path = g_build_filename(PORTS, node, "name", NULL);
        g_autofree char *name = NULL;

        if (g_file_get_contents(path, &name, NULL, NULL) &&
            strcmp(g_strstrip(name), channel->name) == 0)
            return use_port(channel, node);
    }
    return false;
}

static void
on_device_event(void *user_data)
{
    CocoChannel *channel = user_data;

    if (find_port(channel))
        g_clear_pointer(&channel->events, coco_device_events_free);
}

CocoChannel *
coco_channel_new(CocoTtrpcServer *server, const char *name, GError **error)
{
    CocoChannel *channel = g_new0(CocoChannel, 1);

    channel->events = coco_device_events_new(on_device_event, channel, error);
    if (channel->events == NULL) {
        g_free(channel);
        return NULL;
    }
    channel->server = server;
    channel->name = g_strdup(name);
    channel->port = -1;
    coco_ttrpc_server_set_closed_func(server, on_connection_closed, channel);
    /* Listening came first, so a port that comes now is seen one way or the other. */
    on_device_event(channel);
    return channel;
}

void
coco_channel_free(CocoChannel *channel)
{
    if (channel == NULL)
        return;
    g_clear_handle_id(&channel->resume_id, g_source_remove);
    coco_ttrpc_server_set_closed_func(channel->server, NULL, NULL);
    coco_device_events_free(channel->events);
    coco_fd_clear(&channel->port);
    g_free(channel->path);
    g_free(channel->name);
    g_free(channel);
}

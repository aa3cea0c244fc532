// SPDX-License-Identifier: Apache-2.0
/*
 * One inotify descriptor for each file: there are few, and they end with their container.
 */
#include "guest/system/file-watch.h"

#include <errno.h>
#include <sys/inotify.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

struct _CocoFileWatch {
    CocoFd fd;
    GSource *source;
    CocoFileWatchFunc func;
    void *user_data;
};

static gboolean
on_change(int fd, GIOCondition condition, void *user_data)
{
    const CocoFileWatch *watch = user_data;
    char events[1024];

    while (read(fd, events, sizeof events) > 0)
        ;
    watch->func(watch->user_data);
    return G_SOURCE_CONTINUE;
}

CocoFileWatch *
coco_file_watch_new(const char *path, CocoFileWatchFunc func, void *user_data, GError **error)
{
    g_auto(CocoFd) fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    CocoFileWatch *watch;

    if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "watch '%s': %s", path,
                    g_strerror(errno));
        return NULL;
    }
    watch = g_new0(CocoFileWatch, 1);
    watch->fd = coco_fd_steal(&fd);
    watch->func = func;
    watch->user_data = user_data;
    watch->source = g_unix_fd_source_new(watch->fd, G_IO_IN);
    g_source_set_callback(watch->source, G_SOURCE_FUNC(on_change), watch, NULL);
    g_source_attach(watch->source, g_main_context_get_thread_default());
    return watch;
}

void
coco_file_watch_free(CocoFileWatch *watch)
{
    if (watch == NULL)
        return;
    g_source_destroy(watch->source);
    g_source_unref(watch->source);
    coco_fd_clear(&watch->fd);
    g_free(watch);
}

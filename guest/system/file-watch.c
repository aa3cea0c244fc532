// SPDX-License-Identifier: Apache-2.0
/*
 * inotify gives the same descriptor for every watch of one inode, so a descriptor leads to a list
 * of watches. Who is to be told is collected first and told then, because a function that is told
 * may free any watch.
 */
#include "guest/system/file-watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/inotify.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define BUFFER_BYTES 4096

struct _CocoFileWatcher {
    grefcount refs;
    CocoFd fd; /* -1 before the first watch */
    GSource *source;
    GHashTable *files; /* descriptor -> GPtrArray of CocoFileWatch, not owned */
    GQueue changed;    /* CocoFileWatch that are to be told */
};

struct _CocoFileWatch {
    CocoFileWatcher *watcher;
    int descriptor;
    GList link; /* in watcher->changed, while it is to be told */
    bool is_queued;
    CocoFileWatchFunc func;
    void *user_data;
};

static void
queue_watches(CocoFileWatcher *watcher, const GPtrArray *watches)
{
    for (guint i = 0; watches != NULL && i < watches->len; i++) {
        CocoFileWatch *watch = watches->pdata[i];

        if (!watch->is_queued)
            g_queue_push_tail_link(&watcher->changed, &watch->link);
        watch->is_queued = true;
    }
}

static void
unqueue(CocoFileWatch *watch)
{
    if (watch->is_queued)
        g_queue_unlink(&watch->watcher->changed, &watch->link);
    watch->is_queued = false;
}

static void
queue_all(CocoFileWatcher *watcher)
{
    GHashTableIter iter;
    void *watches;

    g_hash_table_iter_init(&iter, watcher->files);
    while (g_hash_table_iter_next(&iter, NULL, &watches))
        queue_watches(watcher, watches);
}

static void
take_event(CocoFileWatcher *watcher, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0)
        queue_all(watcher); /* some were lost */
    else if ((event->mask & IN_IGNORED) != 0)
        g_hash_table_remove(watcher->files, GINT_TO_POINTER(event->wd)); /* the file is gone */
    else
        queue_watches(watcher, g_hash_table_lookup(watcher->files, GINT_TO_POINTER(event->wd)));
}

static gboolean
on_readable(int fd, GIOCondition condition, void *user_data)
{
    CocoFileWatcher *watcher = user_data;
    _Alignas(struct inotify_event) char buffer[BUFFER_BYTES];
    ssize_t length = read(fd, buffer, sizeof buffer);
    const struct inotify_event *event;

    for (ssize_t at = 0; at < length; at += (ssize_t) (sizeof *event + event->len)) {
        event = (const struct inotify_event *) (const void *) (buffer + at);
        take_event(watcher, event);
    }
    g_ref_count_inc(&watcher->refs);
    while (watcher->changed.length > 0) {
        CocoFileWatch *watch = watcher->changed.head->data;

        unqueue(watch);
        watch->func(watch->user_data);
    }
    coco_file_watcher_unref(watcher);
    return G_SOURCE_CONTINUE;
}

CocoFileWatcher *
coco_file_watcher_new(void)
{
    CocoFileWatcher *watcher = g_new0(CocoFileWatcher, 1);

    g_ref_count_init(&watcher->refs);
    watcher->fd = -1;
    watcher->files = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
    g_queue_init(&watcher->changed);
    return watcher;
}

void
coco_file_watcher_unref(CocoFileWatcher *watcher)
{
    if (watcher == NULL || !g_ref_count_dec(&watcher->refs))
        return;
    if (watcher->source != NULL) {
        g_source_destroy(watcher->source);
        g_source_unref(watcher->source);
    }
    coco_fd_clear(&watcher->fd);
    g_hash_table_unref(watcher->files);
    g_free(watcher);
}

static bool
open_inotify(CocoFileWatcher *watcher)
{
    if (watcher->fd >= 0)
        return true;
    watcher->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watcher->fd < 0)
        return false;
    watcher->source = g_unix_fd_source_new(watcher->fd, G_IO_IN);
    g_source_set_callback(watcher->source, G_SOURCE_FUNC(on_readable), watcher, NULL);
    g_source_attach(watcher->source, g_main_context_get_thread_default());
    return true;
}

static void
add_to_file(CocoFileWatcher *watcher, CocoFileWatch *watch)
{
    void *key = GINT_TO_POINTER(watch->descriptor);
    GPtrArray *watches = g_hash_table_lookup(watcher->files, key);

    if (watches == NULL) {
        watches = g_ptr_array_new();
        g_hash_table_insert(watcher->files, key, watches);
    }
    g_ptr_array_add(watches, watch);
}

CocoFileWatch *
coco_file_watch_new(CocoFileWatcher *watcher, const char *path, CocoFileWatchFunc func,
                    void *user_data, GError **error)
{
    int descriptor = open_inotify(watcher) ? inotify_add_watch(watcher->fd, path, IN_MODIFY) : -1;
    CocoFileWatch *watch;

    if (descriptor < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "watch '%s': %s", path,
                    g_strerror(errno));
        return NULL;
    }
    watch = g_new0(CocoFileWatch, 1);
    g_ref_count_inc(&watcher->refs);
    watch->watcher = watcher;
    watch->descriptor = descriptor;
    watch->link.data = watch;
    watch->func = func;
    watch->user_data = user_data;
    add_to_file(watcher, watch);
    return watch;
}

void
coco_file_watch_free(CocoFileWatch *watch)
{
    CocoFileWatcher *watcher;
    GPtrArray *watches;

    if (watch == NULL)
        return;
    watcher = watch->watcher;
    unqueue(watch);
    watches = g_hash_table_lookup(watcher->files, GINT_TO_POINTER(watch->descriptor));
    if (watches != NULL && g_ptr_array_remove_fast(watches, watch) && watches->len == 0) {
        g_hash_table_remove(watcher->files, GINT_TO_POINTER(watch->descriptor));
        (void) inotify_rm_watch(watcher->fd, watch->descriptor);
    }
    coco_file_watcher_unref(watcher);
    g_free(watch);
}

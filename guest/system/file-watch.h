// SPDX-License-Identifier: Apache-2.0
/*
 * Tells when a file changes. Made for cgroup2's event files (memory.events, cgroup.events), whose
 * changes the kernel reports to inotify. One watcher serves any number of files with one inotify
 * instance, of which a user has 128; a file may be watched several times.
 *
 * Ownership: a watcher is counted, and each watch holds a reference; the caller keeps user_data
 * alive as long as the watch.
 * Thread: that of the thread-default main context.
 */
#pragma once

#include <glib.h>

typedef struct _CocoFileWatcher CocoFileWatcher;
typedef struct _CocoFileWatch CocoFileWatch;

/* This and other watches may be freed in it. */
typedef void (*CocoFileWatchFunc)(void *user_data);

CocoFileWatcher *coco_file_watcher_new(void);
void coco_file_watcher_unref(CocoFileWatcher *watcher);

/* NULL with error set when path is not there. Changes that come close together may be told once. */
CocoFileWatch *coco_file_watch_new(CocoFileWatcher *watcher, const char *path,
                                   CocoFileWatchFunc func, void *user_data, GError **error);
void coco_file_watch_free(CocoFileWatch *watch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoFileWatcher, coco_file_watcher_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoFileWatch, coco_file_watch_free)

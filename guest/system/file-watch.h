// SPDX-License-Identifier: Apache-2.0
/*
 * Tells when a file changes. Made for cgroup2's event files (memory.events, cgroup.events), whose
 * changes the kernel reports to inotify.
 *
 * Ownership: the watch owns its descriptor; the caller keeps user_data alive as long as the watch.
 * Thread: that of the thread-default main context.
 */
#pragma once

#include <glib.h>

typedef struct _CocoFileWatch CocoFileWatch;

/* The watch may be freed in it. */
typedef void (*CocoFileWatchFunc)(void *user_data);

/* NULL with error set when path is not there. */
CocoFileWatch *coco_file_watch_new(const char *path, CocoFileWatchFunc func, void *user_data,
                                   GError **error);
void coco_file_watch_free(CocoFileWatch *watch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoFileWatch, coco_file_watch_free)

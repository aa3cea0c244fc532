// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of one container's cgroup, or of all of a pod: tells when the kernel has killed a
 * process of it for want of memory, and makes the kernel kill where it would go on for ever.
 *
 * In a VM the pages of a container's programs are charged to the container (on a host they mostly
 * are not, since whoever unpacked the image read them first). At the limit, where all else is
 * anonymous, the kernel drops such a page to read the next: reclaim always succeeds, nobody is
 * killed, and the container does nothing but fault. That is out of memory, if for some seconds
 *  - usage is at the limit, and next to nothing of it can be dropped,
 *  - more was wanted again and again, and what was dropped had to be read again,
 *  - and for a good part of the time every process waited for that.
 * A container that waits for a slow disk, or reads more files than fit, has pages that can be
 * dropped; one that makes progress beside it has not all of its processes waiting.
 *
 * Ownership: the watch owns what it opens; reaper and user_data must outlive it.
 * Thread: that of the thread-default main context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "guest/system/cgroup.h"
#include "guest/system/file-watch.h"
#include "guest/system/reaper.h"

typedef struct _CocoMemoryWatch CocoMemoryWatch;

/* The kernel has killed. The watch may be freed in it. */
typedef void (*CocoMemoryWatchFunc)(void *user_data);

/* name: of whose cgroup it is, for the log. NULL with error set when cgroup has no memory.events.
 */
CocoMemoryWatch *coco_memory_watch_new(const char *name, const char *cgroup,
                                       CocoFileWatcher *watcher, CocoReaper *reaper,
                                       CocoMemoryWatchFunc func, void *user_data, GError **error);
void coco_memory_watch_free(CocoMemoryWatch *watch);

/* Kills that came just now are told at once; nullable. */
void coco_memory_watch_check(CocoMemoryWatch *watch);

/* The two halves of the judgement: of one moment, and of the time between two, elapsed_us apart. */
bool coco_memory_watch_is_full(const CocoCgroupMemory *memory);
bool coco_memory_watch_is_thrashing(const CocoCgroupMemory *first, const CocoCgroupMemory *last,
                                    int64_t elapsed_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoMemoryWatch, coco_memory_watch_free)

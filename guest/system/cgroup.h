// SPDX-License-Identifier: Apache-2.0
/*
 * One container's cgroup2 directory: statistics as the agent protocol wants them, freezing,
 * killing, OOM count. Nothing here knows containers; a directory of plain files serves as well
 * (unit tests).
 *
 * Ownership: results belong to the caller, all from malloc.
 * Thread: any; it only reads and writes files of the kernel, which do not block.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* Turns on every controller that the directory offers for its children. */
bool coco_cgroup_enable_controllers(const char *directory, GError **error);

/* What files are missing for (a controller that is off) stays zero. memory_stats.stats has the keys
 * of memory.stat as they are, those of memory.events with "events." before them. */
Grpc__CgroupStats *coco_cgroup_stats(const char *directory);

/* Asks for it; the kernel is done when coco_cgroup_is_frozen() says so, and tells by a change of
 * cgroup.events. */
bool coco_cgroup_set_frozen(const char *directory, bool frozen, GError **error);
bool coco_cgroup_is_frozen(const char *directory);

/* SIGKILL to every process in it, also those that fork meanwhile. */
bool coco_cgroup_kill(const char *directory, GError **error);

/* Removes it with those below it; false when there are processes in it. Nothing there is fine. */
bool coco_cgroup_remove(const char *directory);

/* What tells whether a cgroup is out of memory. Counters count from the cgroup's beginning. */
typedef struct {
    uint64_t usage;        /* bytes */
    uint64_t limit;        /* bytes, or UINT64_MAX */
    uint64_t reclaimable;  /* bytes of files and caches that the kernel can drop */
    uint64_t limit_hits;   /* how often more was wanted than the limit allows */
    uint64_t refaults;     /* pages of files that were dropped and had to be read again */
    uint64_t major_faults; /* page faults that had to read */
    uint64_t stalled_us;   /* time in which everybody in it waited for memory or a disk */
} CocoCgroupMemory;

/* False when the cgroup is not there, or the kernel measures no pressure (psi=0). */
bool coco_cgroup_read_memory(const char *directory, CocoCgroupMemory *out_memory);

/* How many processes the kernel has killed for want of memory. */
uint64_t coco_cgroup_oom_kills(const char *directory);

/* Below what is used, the kernel reclaims and then kills until it fits, before this returns. */
bool coco_cgroup_set_memory_limit(const char *directory, uint64_t limit, GError **error);

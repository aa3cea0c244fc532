// SPDX-License-Identifier: Apache-2.0
/*
 * The trigger is a change of memory.events, which the kernel makes each time the limit is hit; only
 * then is looked, at most once a second, and only a full cgroup is looked at again, ROUNDS times.
 *
 *     waiting --limit hit, full--> observing --full and thrashing to the end--> killing
 *        ^-------- not full ----------'  ^-- waiting <-- the limit is as before --'
 *
 * The kill is the kernel's: the limit goes below what is used for a moment. So it picks the process
 * that it always picks, minds oom_score_adj and memory.oom.group, and counts it. That write returns
 * when the cgroup fits, so a child makes it.
 */
#include "guest/system/memory-watch.h"

#include <signal.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"

#define LOOK_EVERY_US G_USEC_PER_SEC
#define ROUND_MS 1000
#define ROUNDS 3
#define KILL_TIMEOUT_MS 5000

#define PAGE_BYTES UINT64_C(4096)
/* What the kernel takes in advance for each CPU and still counts as used. */
#define SLACK_BYTES (128 * PAGE_BYTES)
#define RECLAIMABLE_MIN (64 * PAGE_BYTES)
#define RECLAIMABLE_MAX (UINT64_C(32) << 20)
#define PART_OF_LIMIT 32
#define MAJOR_FAULTS_MIN 16
#define REFAULTS_MIN 64
#define STALLED_PART 8

struct _CocoMemoryWatch {
    char *name;
    char *cgroup;
    CocoReaper *reaper;
    CocoFileWatch *events;
    CocoMemoryWatchFunc func;
    void *user_data;
    uint64_t oom_kills;
    int64_t looked_us;
    CocoCgroupMemory first; /* while observing */
    int64_t first_us;
    unsigned int round;
    guint timer_id;   /* observing, or killing */
    pid_t killer;     /* 0 */
    uint64_t lowered; /* the limit while killing */
};

/* How much counts as next to nothing. */
static uint64_t
small_part(uint64_t limit)
{
    return CLAMP(limit / PART_OF_LIMIT, RECLAIMABLE_MIN, RECLAIMABLE_MAX);
}

bool
coco_memory_watch_is_full(const CocoCgroupMemory *memory)
{
    uint64_t gap = MAX(memory->limit / PART_OF_LIMIT, SLACK_BYTES);

    return memory->limit != UINT64_MAX && memory->usage + gap >= memory->limit &&
           memory->reclaimable <= small_part(memory->limit);
}

bool
coco_memory_watch_is_thrashing(const CocoCgroupMemory *first, const CocoCgroupMemory *last,
                               int64_t elapsed_us)
{
    uint64_t refaults = last->refaults - first->refaults;
    uint64_t cached_pages = last->reclaimable / PAGE_BYTES;

    /* All that is cached was read again in that time, on behalf of faults: reads of a file through
     * read(2) do not count. */
    return last->limit_hits > first->limit_hits &&
           last->major_faults - first->major_faults >= MAJOR_FAULTS_MIN &&
           refaults >= MAX(REFAULTS_MIN, cached_pages) &&
           last->stalled_us - first->stalled_us >= (uint64_t) elapsed_us / STALLED_PART;
}

/* ---- killing ---- */

static void
kill_end(CocoMemoryWatch *watch)
{
    CocoCgroupMemory now;

    watch->killer = 0;
    g_clear_handle_id(&watch->timer_id, g_source_remove);
    /* An update that came meanwhile has set its own. */
    if (coco_cgroup_read_memory(watch->cgroup, &now) && now.limit == watch->lowered)
        (void) coco_cgroup_set_memory_limit(watch->cgroup, watch->first.limit, NULL);
}

static void
on_killer_exit(pid_t pid, int wait_status, void *user_data)
{
    kill_end(user_data);
}

/* The limit stays low until the child has gone. */
static gboolean
on_kill_timeout(void *user_data)
{
    CocoMemoryWatch *watch = user_data;

    watch->timer_id = 0;
    (void) kill(watch->killer, SIGKILL);
    return G_SOURCE_REMOVE;
}

static void
kill_some(CocoMemoryWatch *watch, const CocoCgroupMemory *memory)
{
    uint64_t unreclaimable = memory->usage - memory->reclaimable;
    pid_t pid;

    watch->lowered = (unreclaimable - unreclaimable / PART_OF_LIMIT) & ~(PAGE_BYTES - 1);
    pid = fork();
    if (pid == 0) {
        (void) coco_cgroup_set_memory_limit(watch->cgroup, watch->lowered, NULL);
        _exit(0);
    }
    if (pid < 0)
        return;
    watch->killer = pid;
    watch->timer_id = g_timeout_add(KILL_TIMEOUT_MS, on_kill_timeout, watch);
    coco_reaper_watch(watch->reaper, pid, on_killer_exit, watch);
    g_message("%s: at its memory limit of %" G_GUINT64_FORMAT
              " bytes it only reads its programs again: the kernel is told to kill",
              watch->name, memory->limit);
}

/* ---- observing ---- */

static gboolean
on_round(void *user_data)
{
    CocoMemoryWatch *watch = user_data;
    CocoCgroupMemory now;

    if (!coco_cgroup_read_memory(watch->cgroup, &now) || !coco_memory_watch_is_full(&now)) {
        watch->timer_id = 0;
        return G_SOURCE_REMOVE;
    }
    if (++watch->round < ROUNDS)
        return G_SOURCE_CONTINUE;
    watch->timer_id = 0;
    if (now.limit == watch->first.limit &&
        coco_memory_watch_is_thrashing(&watch->first, &now,
                                       g_get_monotonic_time() - watch->first_us))
        kill_some(watch, &now);
    return G_SOURCE_REMOVE;
}

static void
look(CocoMemoryWatch *watch)
{
    int64_t now_us = g_get_monotonic_time();

    if (watch->timer_id != 0 || watch->killer != 0 || now_us - watch->looked_us < LOOK_EVERY_US)
        return;
    watch->looked_us = now_us;
    if (!coco_cgroup_read_memory(watch->cgroup, &watch->first) ||
        !coco_memory_watch_is_full(&watch->first))
        return;
    watch->first_us = now_us;
    watch->round = 0;
    watch->timer_id = g_timeout_add(ROUND_MS, on_round, watch);
}

void
coco_memory_watch_check(CocoMemoryWatch *watch)
{
    uint64_t kills = watch != NULL ? coco_cgroup_oom_kills(watch->cgroup) : 0;

    if (watch != NULL && kills > watch->oom_kills) {
        watch->oom_kills = kills;
        watch->func(watch->user_data);
    }
}

static void
on_events(void *user_data)
{
    CocoMemoryWatch *watch = user_data;

    look(watch);
    coco_memory_watch_check(watch);
}

CocoMemoryWatch *
coco_memory_watch_new(const char *name, const char *cgroup, CocoFileWatcher *watcher,
                      CocoReaper *reaper, CocoMemoryWatchFunc func, void *user_data, GError **error)
{
    g_autofree char *path = g_build_filename(cgroup, "memory.events", NULL);
    CocoMemoryWatch *watch = g_new0(CocoMemoryWatch, 1);

    watch->events = coco_file_watch_new(watcher, path, on_events, watch, error);
    if (watch->events == NULL) {
        g_free(watch);
        return NULL;
    }
    watch->name = g_strdup(name);
    watch->cgroup = g_strdup(cgroup);
    watch->reaper = reaper;
    watch->func = func;
    watch->user_data = user_data;
    return watch;
}

void
coco_memory_watch_free(CocoMemoryWatch *watch)
{
    if (watch == NULL)
        return;
    if (watch->killer != 0) {
        coco_reaper_unwatch(watch->reaper, watch->killer);
        (void) kill(watch->killer, SIGKILL);
        kill_end(watch);
    }
    g_clear_handle_id(&watch->timer_id, g_source_remove);
    coco_file_watch_free(watch->events);
    g_free(watch->name);
    g_free(watch->cgroup);
    g_free(watch);
}

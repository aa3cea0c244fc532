// SPDX-License-Identifier: Apache-2.0
/*
 * The judgement with numbers that were seen in a guest, and the whole way with plain files in the
 * place of a cgroup's.
 */
#include "guest/system/memory-watch.h"

#include <glib/gstdio.h>

#include <criterion/criterion.h>

#include "guest/system/directory-tree.h"

#define LIMIT (UINT64_C(128) << 20)

/* A program of 8 MiB that takes memory beside a second process that reads it: seen to go on for
 * 150 s and more. */
static const CocoCgroupMemory spin[2] = {
    { 134172672, LIMIT, 1204224 + 45336, 415, 17734, 101, 1065155 },
    { 134139904, LIMIT, 368640 + 45336, 855, 36902, 465, 2005274 },
};

Test(memory_watch, a_container_that_only_reads_itself_is_out_of_memory)
{
    cr_assert(coco_memory_watch_is_full(&spin[0]));
    cr_assert(coco_memory_watch_is_full(&spin[1]));
    cr_assert(coco_memory_watch_is_thrashing(&spin[0], &spin[1], 3 * G_USEC_PER_SEC));
}

Test(memory_watch, other_containers_are_not_full)
{
    CocoCgroupMemory memory = spin[0];

    memory.limit = UINT64_MAX;
    cr_assert_not(coco_memory_watch_is_full(&memory), "no limit");
    memory = spin[0];
    memory.usage = LIMIT - LIMIT / 16;
    cr_assert_not(coco_memory_watch_is_full(&memory), "below the limit");
    memory = spin[0];
    memory.reclaimable = LIMIT / 16 + 1;
    cr_assert_not(coco_memory_watch_is_full(&memory), "there are files to drop");
    memory = (CocoCgroupMemory){ 0 };
    memory.limit = UINT64_C(64) << 30;
    memory.usage = memory.limit;
    memory.reclaimable = UINT64_C(256) << 20;
    cr_assert_not(coco_memory_watch_is_full(&memory), "a small part of much is not small");
}

Test(memory_watch, progress_is_no_thrashing)
{
    static const struct {
        size_t field;
        const char *why;
    } fields[] = {
        { G_STRUCT_OFFSET(CocoCgroupMemory, limit_hits), "nothing more was wanted" },
        { G_STRUCT_OFFSET(CocoCgroupMemory, refaults), "the files that are read are new ones" },
        { G_STRUCT_OFFSET(CocoCgroupMemory, major_faults), "files are read with read(2)" },
        { G_STRUCT_OFFSET(CocoCgroupMemory, stalled_us), "some process goes on" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        CocoCgroupMemory last = spin[1];

        G_STRUCT_MEMBER(uint64_t, &last, fields[i].field) =
            G_STRUCT_MEMBER(uint64_t, &spin[0], fields[i].field);
        cr_assert_not(coco_memory_watch_is_thrashing(&spin[0], &last, 3 * G_USEC_PER_SEC), "%s",
                      fields[i].why);
    }
}

/* ---- the whole way ---- */

typedef struct {
    char *cgroup;
    CocoFileWatcher *files;
    CocoReaper *reaper;
    CocoMemoryWatch *watch;
    CocoFileWatch *limit_watch;
    uint64_t lowest; /* that the limit was seen at */
    unsigned int n_limits;
    unsigned int n_kills;
} Rig;

static void
put(const Rig *rig, const char *name, const char *format, ...)
{
    g_autofree char *path = g_build_filename(rig->cgroup, name, NULL);
    g_autofree char *text = NULL;
    FILE *file = fopen(path, "w"); /* in place, as the kernel changes its files */
    va_list list;

    va_start(list, format);
    text = g_strdup_vprintf(format, list);
    va_end(list);
    cr_assert_not_null(file);
    (void) fputs(text, file);
    (void) fclose(file);
}

static void
put_memory(const Rig *rig, const CocoCgroupMemory *memory, unsigned int kills)
{
    put(rig, "memory.current", "%" G_GUINT64_FORMAT "\n", memory->usage);
    put(rig, "memory.stat",
        "file 9999999\ninactive_file %" G_GUINT64_FORMAT "\nactive_file 0\nslab_reclaimable 0\n"
        "workingset_refault_file %" G_GUINT64_FORMAT "\npgmajfault %" G_GUINT64_FORMAT "\n",
        memory->reclaimable, memory->refaults, memory->major_faults);
    put(rig, "memory.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=99999999\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=%" G_GUINT64_FORMAT "\n",
        memory->stalled_us);
    put(rig, "memory.events", "low 0\nmax %" G_GUINT64_FORMAT "\noom 0\noom_kill %u\n",
        memory->limit_hits, kills);
}

static uint64_t
read_limit(const Rig *rig)
{
    CocoCgroupMemory memory;

    cr_assert(coco_cgroup_read_memory(rig->cgroup, &memory));
    return memory.limit;
}

static void
on_limit(void *user_data)
{
    Rig *rig = user_data;

    rig->n_limits++;
    rig->lowest = MIN(rig->lowest, read_limit(rig));
}

static void
on_kill(void *user_data)
{
    Rig *rig = user_data;

    rig->n_kills++;
}

static void
rig_clear(Rig *rig)
{
    coco_memory_watch_free(rig->watch);
    coco_file_watch_free(rig->limit_watch);
    coco_file_watcher_unref(rig->files);
    coco_reaper_free(rig->reaper);
    coco_directory_tree_remove(rig->cgroup);
    g_free(rig->cgroup);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
rig_start(Rig *rig)
{
    g_autofree char *limit = NULL;
    g_autoptr(GError) error = NULL;

    rig->cgroup = g_dir_make_tmp("coco-memory-watch-XXXXXX", NULL);
    rig->files = coco_file_watcher_new();
    rig->reaper = coco_reaper_new(NULL);
    rig->lowest = UINT64_MAX;
    limit = g_build_filename(rig->cgroup, "memory.max", NULL);
    put(rig, "memory.max", "%" G_GUINT64_FORMAT "\n", LIMIT);
    put(rig, "io.pressure", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    put_memory(rig, &spin[0], 0);
    rig->limit_watch = coco_file_watch_new(rig->files, limit, on_limit, rig, NULL);
    rig->watch =
        coco_memory_watch_new("c", rig->cgroup, rig->files, rig->reaper, on_kill, rig, &error);
    cr_assert_not_null(rig->watch, "%s", error != NULL ? error->message : "");
}

static gboolean
on_timeout(void *user_data)
{
    *(bool *) user_data = true;
    return G_SOURCE_REMOVE;
}

static void
run_for(unsigned int ms)
{
    bool over = false;

    (void) g_timeout_add(ms, on_timeout, &over);
    while (!over)
        (void) g_main_context_iteration(NULL, TRUE);
}

Test(memory_watch, the_kernel_is_made_to_kill, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };

    rig_start(&rig);
    put_memory(&rig, &spin[0], 0); /* the trigger */
    run_for(1500);
    cr_assert_eq(rig.n_limits, 0, "too early to judge");
    put_memory(&rig, &spin[1], 0);
    while (read_limit(&rig) == LIMIT)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert_lt(read_limit(&rig), spin[1].usage - spin[1].reclaimable);
    while (read_limit(&rig) != LIMIT)
        (void) g_main_context_iteration(NULL, TRUE);
    put_memory(&rig, &spin[1], 1);
    while (rig.n_kills == 0)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(rig.n_kills, 1);
}

Test(memory_watch, one_that_recovers_is_left_alone, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    CocoCgroupMemory better = spin[1];

    rig_start(&rig);
    put_memory(&rig, &spin[0], 0);
    run_for(1500);
    better.reclaimable = LIMIT / 4;
    put_memory(&rig, &better, 0);
    run_for(3000);
    cr_assert_eq(rig.n_limits, 0);
}

Test(memory_watch, the_limit_survives_the_watch, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };

    rig_start(&rig);
    put_memory(&rig, &spin[0], 0);
    run_for(1500);
    put_memory(&rig, &spin[1], 0);
    while (read_limit(&rig) == LIMIT)
        (void) g_main_context_iteration(NULL, TRUE);
    g_clear_pointer(&rig.watch, coco_memory_watch_free);
    cr_assert_eq(read_limit(&rig), LIMIT);
}

Test(memory_watch, kills_are_told_when_asked_for)
{
    g_auto(Rig) rig = { 0 };

    rig_start(&rig);
    coco_memory_watch_check(rig.watch);
    cr_assert_eq(rig.n_kills, 0);
    put_memory(&rig, &spin[0], 2);
    coco_memory_watch_check(rig.watch);
    coco_memory_watch_check(rig.watch);
    cr_assert_eq(rig.n_kills, 1);
    coco_memory_watch_check(NULL);
    coco_memory_watch_free(NULL);
    cr_assert_null(coco_memory_watch_new("c", "/proc/nonexistent", rig.files, rig.reaper, on_kill,
                                         &rig, NULL));
}

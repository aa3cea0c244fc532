// SPDX-License-Identifier: Apache-2.0
/*
 * Statistics from a directory of plain files that look like cgroup2's.
 */
#include "guest/system/cgroup.h"

#include <string.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#define FIXTURE COCO_TEST_DATA "/cgroup"

static uint64_t
stat_of(const Grpc__MemoryStats *memory, const char *key)
{
    for (size_t i = 0; i < memory->n_stats; i++) {
        if (strcmp(memory->stats[i]->key, key) == 0)
            return memory->stats[i]->value;
    }
    return UINT64_MAX;
}

Test(cgroup, reads_every_file)
{
    g_autoptr(Grpc__CgroupStats) stats = coco_cgroup_stats(FIXTURE);

    cr_assert_eq(stats->cpu_stats->cpu_usage->total_usage, 217113000);
    cr_assert_eq(stats->cpu_stats->cpu_usage->usage_in_usermode, 43422000);
    cr_assert_eq(stats->cpu_stats->cpu_usage->usage_in_kernelmode, 173690000);
    cr_assert_eq(stats->cpu_stats->throttling_data->throttled_periods, 2);
    cr_assert_eq(stats->cpu_stats->throttling_data->throttled_time, 7000);
    cr_assert_eq(stats->memory_stats->usage->usage, 229376);
    cr_assert_eq(stats->memory_stats->usage->max_usage, 262144);
    cr_assert_eq(stats->memory_stats->usage->limit, UINT64_MAX);
    cr_assert_eq(stats->memory_stats->usage->failcnt, 3);
    cr_assert_eq(stats->memory_stats->cache, 4096);
    cr_assert_eq(stats->memory_stats->kernel_usage->usage, 94208);
    cr_assert_eq(stat_of(stats->memory_stats, "anon"), 57344);
    cr_assert_eq(stat_of(stats->memory_stats, "events.oom_kill"), 2);
    cr_assert_eq(stats->pids_stats->current, 3);
    cr_assert_eq(stats->pids_stats->limit, 0);
}

Test(cgroup, reads_io_of_each_device)
{
    g_autoptr(Grpc__CgroupStats) stats = coco_cgroup_stats(FIXTURE);
    const Grpc__BlkioStats *io = stats->blkio_stats;

    cr_assert_eq(io->n_io_service_bytes_recursive, 2);
    cr_assert_eq(io->io_service_bytes_recursive[0]->major, 254);
    cr_assert_str_eq(io->io_service_bytes_recursive[1]->op, "Write");
    cr_assert_eq(io->io_service_bytes_recursive[1]->value, 8192);
    cr_assert_eq(io->n_io_serviced_recursive, 2);
    cr_assert_eq(io->io_serviced_recursive[1]->value, 2);
}

Test(cgroup, a_missing_directory_is_all_zero)
{
    g_autoptr(Grpc__CgroupStats) stats = coco_cgroup_stats("/proc/nonexistent");

    cr_assert_eq(stats->memory_stats->n_stats, 0);
    cr_assert_eq(stats->cpu_stats->cpu_usage->total_usage, 0);
    cr_assert_eq(coco_cgroup_oom_kills("/proc/nonexistent"), 0);
    cr_assert(coco_cgroup_remove("/proc/nonexistent"));
}

Test(cgroup, events_are_read)
{
    cr_assert(coco_cgroup_is_frozen(FIXTURE));
    cr_assert_eq(coco_cgroup_oom_kills(FIXTURE), 2);
}

Test(cgroup, controllers_are_turned_on)
{
    g_autofree char *directory = g_dir_make_tmp("coco-cgroup-XXXXXX", NULL);
    g_autofree char *offered = g_build_filename(directory, "cgroup.controllers", NULL);
    g_autofree char *control = g_build_filename(directory, "cgroup.subtree_control", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_cgroup_enable_controllers(directory, &error));
    cr_assert(g_file_set_contents(offered, "cpu memory\n", -1, NULL));
    cr_assert(g_file_set_contents(control, "", -1, NULL));
    cr_assert(coco_cgroup_enable_controllers(directory, NULL));
    cr_assert(g_file_get_contents(control, &text, NULL, NULL));
    cr_assert_str_eq(text, "+cpu +memory ");
    (void) g_unlink(offered);
    (void) g_unlink(control);
    (void) g_rmdir(directory);
}

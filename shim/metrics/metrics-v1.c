// SPDX-License-Identifier: Apache-2.0
/*
 * Agent statistics -> io.containerd.cgroups.v1.Metrics, as containerd/cgroups fills it from the
 * files of a v1 cgroup. The agent's message has v1's shape; only memory from a guest with cgroup v2
 * needs a thought.
 */
#include <glib.h>

#include "guest-protocol/proto/cgroups-v1.pb-c.h"
#include "shim/metrics/metrics-private.h"

typedef Io__Containerd__Cgroups__V1__Metrics Metrics;
typedef Io__Containerd__Cgroups__V1__BlkIOEntry BlkIOEntry;
typedef Io__Containerd__Cgroups__V1__BlkIOStat BlkIOStat;
typedef Io__Containerd__Cgroups__V1__CPUStat CPUStat;
typedef Io__Containerd__Cgroups__V1__HugetlbStat HugetlbStat;
typedef Io__Containerd__Cgroups__V1__MemoryEntry MemoryEntry;
typedef Io__Containerd__Cgroups__V1__MemoryOomControl MemoryOomControl;
typedef Io__Containerd__Cgroups__V1__MemoryStat MemoryStat;
typedef Io__Containerd__Cgroups__V1__PidsStat PidsStat;

#define NO_LIMIT 0x7ffffffffffff000 /* what the kernel shows in memory.limit_in_bytes */

static PidsStat *
to_pids(const Grpc__PidsStats *pids)
{
    PidsStat *stat = coco_metrics_new_message(&io__containerd__cgroups__v1__pids_stat__descriptor);

    stat->current = pids->current;
    stat->limit = pids->limit != UINT64_MAX ? pids->limit : 0; /* v1 has 0 for "max" */
    return stat;
}

static CPUStat *
to_cpu(const Grpc__CpuStats *cpu)
{
    CPUStat *stat = coco_metrics_new_message(&io__containerd__cgroups__v1__cpustat__descriptor);

    if (cpu->cpu_usage != NULL) {
        size_t n = coco_metrics_bounded(cpu->cpu_usage->n_percpu_usage);

        stat->usage = coco_metrics_new_message(&io__containerd__cgroups__v1__cpuusage__descriptor);
        stat->usage->total = cpu->cpu_usage->total_usage;
        stat->usage->kernel = cpu->cpu_usage->usage_in_kernelmode;
        stat->usage->user = cpu->cpu_usage->usage_in_usermode;
        stat->usage->n_per_cpu = n;
        stat->usage->per_cpu = g_memdup2(cpu->cpu_usage->percpu_usage, n * sizeof(uint64_t));
    }
    if (cpu->throttling_data != NULL) {
        stat->throttling =
            coco_metrics_new_message(&io__containerd__cgroups__v1__throttle__descriptor);
        stat->throttling->periods = cpu->throttling_data->periods;
        stat->throttling->throttled_periods = cpu->throttling_data->throttled_periods;
        stat->throttling->throttled_time = cpu->throttling_data->throttled_time;
    }
    return stat;
}

static MemoryEntry *
to_memory_entry(const Grpc__MemoryData *data)
{
    MemoryEntry *entry =
        coco_metrics_new_message(&io__containerd__cgroups__v1__memory_entry__descriptor);

    entry->usage = data->usage;
    entry->max = data->max_usage;
    entry->failcnt = data->failcnt;
    entry->limit = data->limit != 0 && data->limit < NO_LIMIT ? data->limit : NO_LIMIT;
    return entry;
}

/* v1 counts memory and swap together. Only v2 has "anon", and counts swap alone. */
static MemoryEntry *
to_swap(const Grpc__MemoryStats *memory)
{
    MemoryEntry *swap = to_memory_entry(memory->swap_usage);
    uint64_t anon;

    if (!coco_metrics_find_stat(memory, "anon", &anon) || memory->usage == NULL)
        return swap;
    swap->usage += memory->usage->usage;
    swap->max += memory->usage->max_usage;
    if (swap->limit < NO_LIMIT && memory->usage->limit < NO_LIMIT - swap->limit)
        swap->limit += memory->usage->limit;
    else
        swap->limit = NO_LIMIT;
    return swap;
}

static MemoryStat *
to_memory(const Grpc__MemoryStats *memory)
{
    MemoryStat *stat =
        coco_metrics_new_message(&io__containerd__cgroups__v1__memory_stat__descriptor);

    coco_metrics_fill_memory(&stat->base, memory);
    if (memory->usage != NULL) {
        stat->usage = to_memory_entry(memory->usage);
        stat->hierarchical_memory_limit = stat->usage->limit;
    }
    if (memory->swap_usage != NULL) {
        stat->swap = to_swap(memory);
        stat->hierarchical_swap_limit = stat->swap->limit;
    }
    if (memory->kernel_usage != NULL)
        stat->kernel = to_memory_entry(memory->kernel_usage);
    return stat;
}

static MemoryOomControl *
to_oom_control(const Grpc__MemoryStats *memory)
{
    MemoryOomControl *control =
        coco_metrics_new_message(&io__containerd__cgroups__v1__memory_oom_control__descriptor);

    control->oom_kill = coco_metrics_get_stat(memory, "events.oom_kill");
    return control;
}

static BlkIOEntry **
to_blkio_entries(Grpc__BlkioStatsEntry *const *source, size_t n_source, size_t *out_n)
{
    size_t n = coco_metrics_bounded(n_source);
    BlkIOEntry **entries = g_new0(BlkIOEntry *, n);

    for (size_t i = 0; i < n; i++) {
        entries[i] =
            coco_metrics_new_message(&io__containerd__cgroups__v1__blk_ioentry__descriptor);
        entries[i]->op = g_utf8_make_valid(source[i]->op, -1);
        entries[i]->major = source[i]->major;
        entries[i]->minor = source[i]->minor;
        entries[i]->value = source[i]->value;
    }
    *out_n = n;
    return entries;
}

static BlkIOStat *
to_blkio(const Grpc__BlkioStats *blkio)
{
    BlkIOStat *stat =
        coco_metrics_new_message(&io__containerd__cgroups__v1__blk_iostat__descriptor);

    /* clang-format off */
#define COPY(list) stat->list = to_blkio_entries(blkio->list, blkio->n_##list, &stat->n_##list)
    COPY(io_service_bytes_recursive);
    COPY(io_serviced_recursive);
    COPY(io_queued_recursive);
    COPY(io_service_time_recursive);
    COPY(io_wait_time_recursive);
    COPY(io_merged_recursive);
    COPY(io_time_recursive);
    COPY(sectors_recursive);
#undef COPY
    /* clang-format on */
    return stat;
}

static void
add_hugetlb(Metrics *metrics, const Grpc__CgroupStats *cgroup)
{
    size_t n = coco_metrics_bounded(cgroup->n_hugetlb_stats);

    metrics->hugetlb = g_new0(HugetlbStat *, n);
    for (size_t i = 0; i < n; i++) {
        const Grpc__CgroupStats__HugetlbStatsEntry *source = cgroup->hugetlb_stats[i];
        HugetlbStat *stat;

        if (source->value == NULL)
            continue;
        stat = coco_metrics_new_message(&io__containerd__cgroups__v1__hugetlb_stat__descriptor);
        stat->pagesize = g_utf8_make_valid(source->key, -1);
        stat->usage = source->value->usage;
        stat->max = source->value->max_usage;
        stat->failcnt = source->value->failcnt;
        metrics->hugetlb[metrics->n_hugetlb++] = stat;
    }
}

ProtobufCMessage *
coco_metrics_to_v1(const Grpc__StatsContainerResponse *stats)
{
    const Grpc__CgroupStats *cgroup = stats->cgroup_stats;
    Metrics *metrics = coco_metrics_new_message(&io__containerd__cgroups__v1__metrics__descriptor);

    if (cgroup->pids_stats != NULL)
        metrics->pids = to_pids(cgroup->pids_stats);
    if (cgroup->cpu_stats != NULL)
        metrics->cpu = to_cpu(cgroup->cpu_stats);
    if (cgroup->memory_stats != NULL) {
        metrics->memory = to_memory(cgroup->memory_stats);
        metrics->memory_oom_control = to_oom_control(cgroup->memory_stats);
    }
    if (cgroup->blkio_stats != NULL)
        metrics->blkio = to_blkio(cgroup->blkio_stats);
    add_hugetlb(metrics, cgroup);
    metrics->network = (Io__Containerd__Cgroups__V1__NetworkStat **) coco_metrics_to_network(
        stats, &io__containerd__cgroups__v1__network_stat__descriptor, &metrics->n_network);
    return &metrics->base;
}

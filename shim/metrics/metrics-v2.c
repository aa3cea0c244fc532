// SPDX-License-Identifier: Apache-2.0
/*
 * Agent statistics -> io.containerd.cgroups.v2.Metrics, as containerd/cgroups fills it from the
 * files of a cgroup: times in microseconds, "max" as the largest number, one io entry for each
 * device.
 */
#include <string.h>

#include <glib.h>

#include "guest-protocol/proto/cgroups-v2.pb-c.h"
#include "shim/metrics/metrics-private.h"

typedef Io__Containerd__Cgroups__V2__Metrics Metrics;
typedef Io__Containerd__Cgroups__V2__CPUStat CPUStat;
typedef Io__Containerd__Cgroups__V2__HugeTlbStat HugeTlbStat;
typedef Io__Containerd__Cgroups__V2__IOEntry IOEntry;
typedef Io__Containerd__Cgroups__V2__IOStat IOStat;
typedef Io__Containerd__Cgroups__V2__MemoryEvents MemoryEvents;
typedef Io__Containerd__Cgroups__V2__MemoryStat MemoryStat;
typedef Io__Containerd__Cgroups__V2__PidsStat PidsStat;

#define NSEC_PER_USEC 1000
#define MAX_DEVICES 64

static PidsStat *
to_pids(const Grpc__PidsStats *pids)
{
    PidsStat *stat = coco_metrics_new_message(&io__containerd__cgroups__v2__pids_stat__descriptor);

    stat->current = pids->current;
    stat->limit = pids->limit;
    return stat;
}

static CPUStat *
to_cpu(const Grpc__CpuStats *cpu)
{
    CPUStat *stat = coco_metrics_new_message(&io__containerd__cgroups__v2__cpustat__descriptor);

    if (cpu->cpu_usage != NULL) {
        stat->usage_usec = cpu->cpu_usage->total_usage / NSEC_PER_USEC;
        stat->user_usec = cpu->cpu_usage->usage_in_usermode / NSEC_PER_USEC;
        stat->system_usec = cpu->cpu_usage->usage_in_kernelmode / NSEC_PER_USEC;
    }
    if (cpu->throttling_data != NULL) {
        stat->nr_periods = cpu->throttling_data->periods;
        stat->nr_throttled = cpu->throttling_data->throttled_periods;
        stat->throttled_usec = cpu->throttling_data->throttled_time / NSEC_PER_USEC;
    }
    return stat;
}

/* Zero is how an agent that knows of no limit says so. */
static uint64_t
to_limit(uint64_t limit)
{
    return limit != 0 ? limit : UINT64_MAX;
}

/* cgroup v1 counts memory and swap together ("memsw"). Only v1 has "rss". */
static uint64_t
swap_alone(const Grpc__MemoryStats *memory, uint64_t value)
{
    uint64_t rss;
    uint64_t usage = memory->usage != NULL ? memory->usage->usage : 0;

    if (!coco_metrics_find_stat(memory, "rss", &rss))
        return value;
    return value > usage ? value - usage : 0;
}

/* Linux 5.9 split two of the numbers by kind of memory; readers know the sum. */
static void
add_split_stats(MemoryStat *stat, const Grpc__MemoryStats *memory)
{
    if (stat->workingset_refault == 0)
        stat->workingset_refault = coco_metrics_get_stat(memory, "workingset_refault_anon") +
                                   coco_metrics_get_stat(memory, "workingset_refault_file");
    if (stat->workingset_activate == 0)
        stat->workingset_activate = coco_metrics_get_stat(memory, "workingset_activate_anon") +
                                    coco_metrics_get_stat(memory, "workingset_activate_file");
}

static MemoryStat *
to_memory(const Grpc__MemoryStats *memory)
{
    MemoryStat *stat =
        coco_metrics_new_message(&io__containerd__cgroups__v2__memory_stat__descriptor);

    coco_metrics_fill_memory(&stat->base, memory);
    add_split_stats(stat, memory);
    stat->usage_limit = UINT64_MAX;
    stat->swap_limit = UINT64_MAX;
    if (memory->usage != NULL) {
        stat->usage = memory->usage->usage;
        stat->max_usage = memory->usage->max_usage;
        stat->usage_limit = to_limit(memory->usage->limit);
    }
    if (memory->swap_usage != NULL) {
        stat->swap_usage = swap_alone(memory, memory->swap_usage->usage);
        stat->swap_max_usage = swap_alone(memory, memory->swap_usage->max_usage);
        stat->swap_limit = to_limit(memory->swap_usage->limit);
    }
    return stat;
}

static MemoryEvents *
to_memory_events(const Grpc__MemoryStats *memory)
{
    MemoryEvents *events =
        coco_metrics_new_message(&io__containerd__cgroups__v2__memory_events__descriptor);

    events->low = coco_metrics_get_stat(memory, "events.low");
    events->high = coco_metrics_get_stat(memory, "events.high");
    events->max = coco_metrics_get_stat(memory, "events.max");
    events->oom = coco_metrics_get_stat(memory, "events.oom");
    events->oom_kill = coco_metrics_get_stat(memory, "events.oom_kill");
    events->oom_group_kill = coco_metrics_get_stat(memory, "events.oom_group_kill");
    return events;
}

/* NULL: one device too many. */
static IOEntry *
entry_of_device(IOStat *io, uint64_t major, uint64_t minor)
{
    IOEntry *entry;

    for (size_t i = 0; i < io->n_usage; i++) {
        if (io->usage[i]->major == major && io->usage[i]->minor == minor)
            return io->usage[i];
    }
    if (io->n_usage == MAX_DEVICES)
        return NULL;
    entry = coco_metrics_new_message(&io__containerd__cgroups__v2__ioentry__descriptor);
    entry->major = major;
    entry->minor = minor;
    io->usage[io->n_usage++] = entry;
    return entry;
}

/* The agent has one entry for each device and direction. */
static void
add_io(IOStat *io, Grpc__BlkioStatsEntry *const *source, size_t n, bool is_bytes)
{
    for (size_t i = 0; i < coco_metrics_bounded(n); i++) {
        IOEntry *entry = entry_of_device(io, source[i]->major, source[i]->minor);

        if (entry == NULL)
            continue;
        if (g_ascii_strcasecmp(source[i]->op, "Read") == 0)
            *(is_bytes ? &entry->rbytes : &entry->rios) += source[i]->value;
        else if (g_ascii_strcasecmp(source[i]->op, "Write") == 0)
            *(is_bytes ? &entry->wbytes : &entry->wios) += source[i]->value;
    }
}

static IOStat *
to_io(const Grpc__BlkioStats *blkio)
{
    IOStat *io = coco_metrics_new_message(&io__containerd__cgroups__v2__iostat__descriptor);

    io->usage = g_new0(IOEntry *, MAX_DEVICES);
    add_io(io, blkio->io_service_bytes_recursive, blkio->n_io_service_bytes_recursive, true);
    add_io(io, blkio->io_serviced_recursive, blkio->n_io_serviced_recursive, false);
    return io;
}

static void
add_hugetlb(Metrics *metrics, const Grpc__CgroupStats *cgroup)
{
    size_t n = coco_metrics_bounded(cgroup->n_hugetlb_stats);

    metrics->hugetlb = g_new0(HugeTlbStat *, n);
    for (size_t i = 0; i < n; i++) {
        const Grpc__CgroupStats__HugetlbStatsEntry *source = cgroup->hugetlb_stats[i];
        HugeTlbStat *stat;

        if (source->value == NULL)
            continue;
        stat = coco_metrics_new_message(&io__containerd__cgroups__v2__huge_tlb_stat__descriptor);
        stat->pagesize = g_utf8_make_valid(source->key, -1);
        stat->current = source->value->usage;
        stat->max = source->value->max_usage;
        stat->failcnt = source->value->failcnt;
        metrics->hugetlb[metrics->n_hugetlb++] = stat;
    }
}

ProtobufCMessage *
coco_metrics_to_v2(const Grpc__StatsContainerResponse *stats)
{
    const Grpc__CgroupStats *cgroup = stats->cgroup_stats;
    Metrics *metrics = coco_metrics_new_message(&io__containerd__cgroups__v2__metrics__descriptor);

    if (cgroup->pids_stats != NULL)
        metrics->pids = to_pids(cgroup->pids_stats);
    if (cgroup->cpu_stats != NULL)
        metrics->cpu = to_cpu(cgroup->cpu_stats);
    if (cgroup->memory_stats != NULL) {
        metrics->memory = to_memory(cgroup->memory_stats);
        metrics->memory_events = to_memory_events(cgroup->memory_stats);
    }
    if (cgroup->blkio_stats != NULL)
        metrics->io = to_io(cgroup->blkio_stats);
    add_hugetlb(metrics, cgroup);
    metrics->network = (Io__Containerd__Cgroups__V2__NetworkStat **) coco_metrics_to_network(
        stats, &io__containerd__cgroups__v2__network_stat__descriptor, &metrics->n_network);
    return &metrics->base;
}

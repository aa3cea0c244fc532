// SPDX-License-Identifier: Apache-2.0
/*
 * The numbers that CRI and ctr read come out in the right field and unit, for guests and hosts of
 * both cgroup versions.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/task-pb.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/metrics/metrics.h"

typedef Io__Containerd__Cgroups__V1__Metrics MetricsV1;
typedef Io__Containerd__Cgroups__V2__Metrics MetricsV2;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MetricsV1, io__containerd__cgroups__v1__metrics__auto_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MetricsV2, io__containerd__cgroups__v2__metrics__auto_free)

static Grpc__BlkioStatsEntry *
io_entry(uint64_t minor, const char *op, uint64_t value)
{
    Grpc__BlkioStatsEntry *entry = g_new(Grpc__BlkioStatsEntry, 1);

    grpc__blkio_stats_entry__init(entry);
    entry->major = 254;
    entry->minor = minor;
    entry->op = g_strdup(op);
    entry->value = value;
    return entry;
}

static void
add_stat(Grpc__MemoryStats *memory, const char *key, uint64_t value)
{
    Grpc__MemoryStats__StatsEntry *entry = g_new(Grpc__MemoryStats__StatsEntry, 1);

    grpc__memory_stats__stats_entry__init(entry);
    entry->key = g_strdup(key);
    entry->value = value;
    memory->stats = g_renew(Grpc__MemoryStats__StatsEntry *, memory->stats, memory->n_stats + 1);
    memory->stats[memory->n_stats++] = entry;
}

static Grpc__MemoryData *
memory_data(uint64_t usage, uint64_t max_usage, uint64_t limit)
{
    Grpc__MemoryData *data = g_new(Grpc__MemoryData, 1);

    grpc__memory_data__init(data);
    data->usage = usage;
    data->max_usage = max_usage;
    data->limit = limit;
    return data;
}

/* clang-format off */
#define NEW(Type, prefix) ({ Type *msg_ = g_new(Type, 1); prefix##__init(msg_); msg_; })
/* clang-format on */

/* A guest with one cgroup of each thing, and no memory. */
static Grpc__StatsContainerResponse *
guest_stats(void)
{
    Grpc__StatsContainerResponse *stats =
        NEW(Grpc__StatsContainerResponse, grpc__stats_container_response);
    Grpc__CgroupStats *cgroup = NEW(Grpc__CgroupStats, grpc__cgroup_stats);
    Grpc__CpuStats *cpu = NEW(Grpc__CpuStats, grpc__cpu_stats);
    Grpc__BlkioStats *blkio = NEW(Grpc__BlkioStats, grpc__blkio_stats);

    stats->cgroup_stats = cgroup;
    cgroup->cpu_stats = cpu;
    cpu->cpu_usage = NEW(Grpc__CpuUsage, grpc__cpu_usage);
    cpu->cpu_usage->total_usage = 5000999;
    cpu->cpu_usage->usage_in_kernelmode = 1000000;
    cpu->cpu_usage->usage_in_usermode = 4000000;
    cpu->throttling_data = NEW(Grpc__ThrottlingData, grpc__throttling_data);
    cpu->throttling_data->periods = 10;
    cpu->throttling_data->throttled_periods = 3;
    cpu->throttling_data->throttled_time = 7000000;
    cgroup->pids_stats = NEW(Grpc__PidsStats, grpc__pids_stats);
    cgroup->pids_stats->current = 4;
    cgroup->pids_stats->limit = UINT64_MAX;
    cgroup->memory_stats = NEW(Grpc__MemoryStats, grpc__memory_stats);
    cgroup->blkio_stats = blkio;
    blkio->n_io_service_bytes_recursive = 4;
    blkio->io_service_bytes_recursive = g_new(Grpc__BlkioStatsEntry *, 4);
    blkio->io_service_bytes_recursive[0] = io_entry(0, "Read", 100);
    blkio->io_service_bytes_recursive[1] = io_entry(0, "Write", 200);
    blkio->io_service_bytes_recursive[2] = io_entry(16, "read", 300);
    blkio->io_service_bytes_recursive[3] = io_entry(16, "Discard", 999);
    blkio->n_io_serviced_recursive = 2;
    blkio->io_serviced_recursive = g_new(Grpc__BlkioStatsEntry *, 2);
    blkio->io_serviced_recursive[0] = io_entry(0, "Read", 5);
    blkio->io_serviced_recursive[1] = io_entry(0, "Write", 6);
    stats->n_network_stats = 1;
    stats->network_stats = g_new(Grpc__NetworkStats *, 1);
    stats->network_stats[0] = NEW(Grpc__NetworkStats, grpc__network_stats);
    stats->network_stats[0]->name = g_strdup("eth0");
    stats->network_stats[0]->rx_bytes = 11;
    stats->network_stats[0]->tx_dropped = 12;
    return stats;
}

static Grpc__StatsContainerResponse *
guest_with_cgroup_v2(void)
{
    Grpc__StatsContainerResponse *stats = guest_stats();
    Grpc__MemoryStats *memory = stats->cgroup_stats->memory_stats;

    memory->usage = memory_data(1000, 2000, 64 << 20);
    memory->swap_usage = memory_data(50, 60, 32 << 20);
    add_stat(memory, "anon", 400);
    add_stat(memory, "file", 500);
    add_stat(memory, "inactive_file", 300);
    add_stat(memory, "pgfault", 21);
    add_stat(memory, "pgmajfault", 22);
    add_stat(memory, "workingset_refault_anon", 1);
    add_stat(memory, "workingset_refault_file", 2);
    add_stat(memory, "events.oom", 4);
    add_stat(memory, "events.oom_kill", 3);
    return stats;
}

static Grpc__StatsContainerResponse *
guest_with_cgroup_v1(void)
{
    Grpc__StatsContainerResponse *stats = guest_stats();
    Grpc__MemoryStats *memory = stats->cgroup_stats->memory_stats;

    memory->usage = memory_data(1000, 2000, 0x7ffffffffffff000);
    memory->swap_usage = memory_data(1050, 2060, 0x7ffffffffffff000);
    add_stat(memory, "rss", 39);
    add_stat(memory, "total_rss", 400);
    add_stat(memory, "total_cache", 500);
    add_stat(memory, "inactive_file", 29);
    add_stat(memory, "total_inactive_file", 300);
    add_stat(memory, "total_pgmajfault", 22);
    return stats;
}

static void *
convert(const Grpc__StatsContainerResponse *stats, CocoMetricsVersion version, const char *type_url,
        const ProtobufCMessageDescriptor *type)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Google__Protobuf__Any) any = NULL;
    ProtobufCMessage *metrics;

    cr_assert(coco_metrics_pack(stats, version, &any, &error));
    cr_assert_str_eq(any->type_url, type_url);
    metrics = protobuf_c_message_unpack(type, NULL, any->value.len, any->value.data);
    cr_assert_not_null(metrics);
    return metrics;
}

static MetricsV2 *
to_v2(const Grpc__StatsContainerResponse *stats)
{
    return convert(stats, COCO_METRICS_V2, "io.containerd.cgroups.v2.Metrics",
                   &io__containerd__cgroups__v2__metrics__descriptor);
}

static MetricsV1 *
to_v1(const Grpc__StatsContainerResponse *stats)
{
    return convert(stats, COCO_METRICS_V1, "io.containerd.cgroups.v1.Metrics",
                   &io__containerd__cgroups__v1__metrics__descriptor);
}

Test(metrics, v2_from_guest_v2)
{
    g_autoptr(Grpc__StatsContainerResponse) stats = guest_with_cgroup_v2();
    g_autoptr(MetricsV2) metrics = to_v2(stats);

    cr_assert_eq(metrics->cpu->usage_usec, 5000);
    cr_assert_eq(metrics->cpu->user_usec, 4000);
    cr_assert_eq(metrics->cpu->system_usec, 1000);
    cr_assert_eq(metrics->cpu->nr_periods, 10);
    cr_assert_eq(metrics->cpu->nr_throttled, 3);
    cr_assert_eq(metrics->cpu->throttled_usec, 7000);
    cr_assert_eq(metrics->pids->current, 4);
    cr_assert_eq(metrics->pids->limit, UINT64_MAX);
    cr_assert_eq(metrics->memory->anon, 400);
    cr_assert_eq(metrics->memory->file, 500);
    cr_assert_eq(metrics->memory->inactive_file, 300);
    cr_assert_eq(metrics->memory->pgfault, 21);
    cr_assert_eq(metrics->memory->pgmajfault, 22);
    cr_assert_eq(metrics->memory->workingset_refault, 3);
    cr_assert_eq(metrics->memory->usage, 1000);
    cr_assert_eq(metrics->memory->max_usage, 2000);
    cr_assert_eq(metrics->memory->usage_limit, 64 << 20);
    cr_assert_eq(metrics->memory->swap_usage, 50);
    cr_assert_eq(metrics->memory->swap_limit, 32 << 20);
    cr_assert_eq(metrics->memory_events->oom, 4);
    cr_assert_eq(metrics->memory_events->oom_kill, 3);
}

Test(metrics, v2_has_one_io_entry_for_each_device)
{
    g_autoptr(Grpc__StatsContainerResponse) stats = guest_with_cgroup_v2();
    g_autoptr(MetricsV2) metrics = to_v2(stats);

    cr_assert_eq(metrics->io->n_usage, 2);
    cr_assert_eq(metrics->io->usage[0]->major, 254);
    cr_assert_eq(metrics->io->usage[0]->minor, 0);
    cr_assert_eq(metrics->io->usage[0]->rbytes, 100);
    cr_assert_eq(metrics->io->usage[0]->wbytes, 200);
    cr_assert_eq(metrics->io->usage[0]->rios, 5);
    cr_assert_eq(metrics->io->usage[0]->wios, 6);
    cr_assert_eq(metrics->io->usage[1]->minor, 16);
    cr_assert_eq(metrics->io->usage[1]->rbytes, 300);
    cr_assert_eq(metrics->io->usage[1]->wbytes, 0);
    cr_assert_eq(metrics->n_network, 1);
    cr_assert_str_eq(metrics->network[0]->name, "eth0");
    cr_assert_eq(metrics->network[0]->rx_bytes, 11);
    cr_assert_eq(metrics->network[0]->tx_dropped, 12);
}

Test(metrics, v2_from_guest_v1)
{
    g_autoptr(Grpc__StatsContainerResponse) stats = guest_with_cgroup_v1();
    g_autoptr(MetricsV2) metrics = to_v2(stats);

    cr_assert_eq(metrics->memory->anon, 400);
    cr_assert_eq(metrics->memory->file, 500);
    cr_assert_eq(metrics->memory->inactive_file, 300);
    cr_assert_eq(metrics->memory->pgmajfault, 22);
    cr_assert_eq(metrics->memory->swap_usage, 50);
    cr_assert_eq(metrics->memory->usage_limit, 0x7ffffffffffff000);
}

Test(metrics, v1_from_guest_v2)
{
    g_autoptr(Grpc__StatsContainerResponse) stats = guest_with_cgroup_v2();
    g_autoptr(MetricsV1) metrics = to_v1(stats);

    cr_assert_eq(metrics->cpu->usage->total, 5000999);
    cr_assert_eq(metrics->cpu->usage->user, 4000000);
    cr_assert_eq(metrics->cpu->usage->kernel, 1000000);
    cr_assert_eq(metrics->cpu->throttling->throttled_time, 7000000);
    cr_assert_eq(metrics->pids->limit, 0);
    cr_assert_eq(metrics->memory->total_rss, 400);
    cr_assert_eq(metrics->memory->total_cache, 500);
    cr_assert_eq(metrics->memory->total_inactive_file, 300);
    cr_assert_eq(metrics->memory->total_pg_fault, 21);
    cr_assert_eq(metrics->memory->total_pg_maj_fault, 22);
    cr_assert_eq(metrics->memory->usage->usage, 1000);
    cr_assert_eq(metrics->memory->usage->limit, 64 << 20);
    cr_assert_eq(metrics->memory->swap->usage, 1050);
    cr_assert_eq(metrics->memory->swap->limit, 96 << 20);
    cr_assert_eq(metrics->memory_oom_control->oom_kill, 3);
    cr_assert_eq(metrics->blkio->n_io_service_bytes_recursive, 4);
    cr_assert_eq(metrics->blkio->io_service_bytes_recursive[1]->value, 200);
    cr_assert_str_eq(metrics->network[0]->name, "eth0");
}

Test(metrics, v1_from_guest_v1)
{
    g_autoptr(Grpc__StatsContainerResponse) stats = guest_with_cgroup_v1();
    g_autoptr(MetricsV1) metrics = to_v1(stats);

    cr_assert_eq(metrics->memory->total_rss, 400);
    cr_assert_eq(metrics->memory->swap->usage, 1050);
    cr_assert_eq(metrics->memory->usage->limit, 0x7ffffffffffff000);
}

Test(metrics, no_limit_is_the_largest)
{
    g_autoptr(Grpc__StatsContainerResponse) stats = guest_stats();
    g_autoptr(MetricsV2) v2 = to_v2(stats);
    g_autoptr(MetricsV1) v1 = NULL;

    cr_assert_eq(v2->memory->usage_limit, UINT64_MAX);
    stats->cgroup_stats->memory_stats->usage = memory_data(1, 0, 0);
    v1 = to_v1(stats);
    cr_assert_eq(v1->memory->usage->limit, 0x7ffffffffffff000);
}

Test(metrics, parts_may_be_missing)
{
    g_autoptr(Grpc__StatsContainerResponse) stats =
        NEW(Grpc__StatsContainerResponse, grpc__stats_container_response);
    g_autoptr(GError) error = NULL;
    Google__Protobuf__Any *any = NULL;
    g_autoptr(MetricsV2) v2 = NULL;
    g_autoptr(MetricsV1) v1 = NULL;

    cr_assert_not(coco_metrics_pack(stats, COCO_METRICS_V2, &any, &error));
    cr_assert_null(any);
    cr_assert_eq(error->domain, COCO_TTRPC_ERROR);
    cr_assert_eq(error->code, COCO_TTRPC_INTERNAL);
    cr_assert_str_eq(error->message, "read statistics: the agent sent none of the cgroup");
    stats->cgroup_stats = NEW(Grpc__CgroupStats, grpc__cgroup_stats);
    v2 = to_v2(stats);
    v1 = to_v1(stats);
    cr_assert_null(v2->cpu);
    cr_assert_null(v1->memory);
}

/* A hostile guest: lists as long as a message allows, and names that Go would refuse to unpack. */
Test(metrics, hostile_lists_are_cut)
{
    g_autoptr(Grpc__StatsContainerResponse) stats = guest_stats();
    Grpc__BlkioStats *blkio = stats->cgroup_stats->blkio_stats;
    g_autoptr(MetricsV2) v2 = NULL;
    g_autoptr(MetricsV1) v1 = NULL;
    size_t n = 100000;

    blkio->io_serviced_recursive =
        g_renew(Grpc__BlkioStatsEntry *, blkio->io_serviced_recursive, n);
    for (size_t i = 2; i < n; i++)
        blkio->io_serviced_recursive[i] = io_entry(i, "\xff", i);
    blkio->n_io_serviced_recursive = n;
    g_free(stats->network_stats[0]->name);
    stats->network_stats[0]->name = g_strdup("\xff");
    v2 = to_v2(stats);
    v1 = to_v1(stats);
    cr_assert_eq(v2->io->n_usage, 64);
    cr_assert_eq(v1->blkio->n_io_serviced_recursive, 1024);
    cr_assert(g_utf8_validate(v1->blkio->io_serviced_recursive[7]->op, -1, NULL));
    cr_assert(g_utf8_validate(v2->network[0]->name, -1, NULL));
}

Test(metrics, host_version_is_that_of_the_mount)
{
    bool is_v2 = g_file_test("/sys/fs/cgroup/cgroup.controllers", G_FILE_TEST_EXISTS);

    cr_assert_eq(coco_metrics_host_version(), is_v2 ? COCO_METRICS_V2 : COCO_METRICS_V1);
}

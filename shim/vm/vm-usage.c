// SPDX-License-Identifier: Apache-2.0
/*
 * One line of /proc to one message (vm-usage.h).
 */
#include "shim/vm/vm-usage.h"

#include <string.h>
#include <unistd.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/metrics/metrics-private.h"

/* Fields of /proc/PID/stat, counted from the one after the name (its third). */
enum {
    FIELD_UTIME = 11,
    FIELD_STIME = 12,
    FIELD_THREADS = 17,
    FIELD_RSS = 21,
    N_FIELDS,
};

static bool
read_fields(pid_t pid, uint64_t *out_values)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *name_end;

    if (!g_file_get_contents(path, &text, NULL, NULL) || (name_end = strrchr(text, ')')) == NULL)
        return false;
    if (name_end[1] == '\0')
        return false;
    fields = g_strsplit(name_end + 2, " ", N_FIELDS + 1);
    if (g_strv_length(fields) < N_FIELDS)
        return false;
    for (unsigned int i = 0; i < N_FIELDS; i++)
        out_values[i] = g_ascii_strtoull(fields[i], NULL, 10);
    return true;
}

static Grpc__CpuStats *
to_cpu(const uint64_t *values)
{
    const uint64_t tick_ns = 1000000000u / (uint64_t) sysconf(_SC_CLK_TCK);
    Grpc__CpuStats *cpu = coco_metrics_new_message(&grpc__cpu_stats__descriptor);

    cpu->cpu_usage = coco_metrics_new_message(&grpc__cpu_usage__descriptor);
    cpu->cpu_usage->usage_in_usermode = values[FIELD_UTIME] * tick_ns;
    cpu->cpu_usage->usage_in_kernelmode = values[FIELD_STIME] * tick_ns;
    cpu->cpu_usage->total_usage = (values[FIELD_UTIME] + values[FIELD_STIME]) * tick_ns;
    return cpu;
}

static Grpc__MemoryStats *
to_memory(const uint64_t *values)
{
    Grpc__MemoryStats *memory = coco_metrics_new_message(&grpc__memory_stats__descriptor);

    memory->usage = coco_metrics_new_message(&grpc__memory_data__descriptor);
    memory->usage->usage = values[FIELD_RSS] * (uint64_t) sysconf(_SC_PAGESIZE);
    memory->usage->limit = UINT64_MAX;
    return memory;
}

Grpc__StatsContainerResponse *
coco_vm_usage_read(pid_t pid, GError **error)
{
    uint64_t values[N_FIELDS];
    Grpc__StatsContainerResponse *usage;
    Grpc__CgroupStats *cgroup;

    if (pid <= 0 || !read_fields(pid, values)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE,
                    "read the usage of the VM: it does not run");
        return NULL;
    }
    cgroup = coco_metrics_new_message(&grpc__cgroup_stats__descriptor);
    cgroup->cpu_stats = to_cpu(values);
    cgroup->memory_stats = to_memory(values);
    cgroup->pids_stats = coco_metrics_new_message(&grpc__pids_stats__descriptor);
    cgroup->pids_stats->current = values[FIELD_THREADS];
    usage = coco_metrics_new_message(&grpc__stats_container_response__descriptor);
    usage->cgroup_stats = cgroup;
    return usage;
}

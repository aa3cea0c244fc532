// SPDX-License-Identifier: Apache-2.0
/*
 * Small files of the kernel to one message (vm-usage.h).
 *
 * Source: Linux, Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/{memory,hugetlb}.rst.
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

/* Adds the number in a file, if it is there. */
static bool
add_number(const char *directory, const char *name, uint64_t *total)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    *total += g_ascii_strtoull(text, NULL, 10);
    return true;
}

/* "hugetlb.2MB.current", or "hugetlb.2MB.usage_in_bytes" with v1: a file for each size of page; but
 * not "hugetlb.2MB.rsvd.current", for what is reserved is not used yet. */
static void
add_huge_pages(const char *directory, uint64_t *total)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_auto(GStrv) parts = g_strsplit(name, ".", 4);

        if (g_strv_length(parts) == 3 && strcmp(parts[0], "hugetlb") == 0 &&
            (strcmp(parts[2], "current") == 0 || strcmp(parts[2], "usage_in_bytes") == 0))
            (void) add_number(directory, name, total);
    }
}

/* Of all that runs for the VM, with what no process has mapped: a guest's private memory, and the
 * kernel's own for them. Huge pages are counted apart. False where no hierarchy counts memory. */
static bool
of_cgroup(const CocoCgroup *cgroup, uint64_t *out_bytes)
{
    const char *directory;
    bool counted = false;
    uint64_t total = 0;

    for (size_t i = 0; cgroup != NULL && (directory = coco_cgroup_directory(cgroup, i)) != NULL;
         i++) {
        counted = add_number(directory, "memory.current", &total) ||
                  add_number(directory, "memory.usage_in_bytes", &total) || counted;
        add_huge_pages(directory, &total);
    }
    *out_bytes = total;
    return counted;
}

/* The next best: what QEMU has mapped. Huge pages are not in its resident pages. */
static uint64_t
of_process(pid_t pid, const uint64_t *values)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
    g_autofree char *text = NULL;
    const char *huge = NULL;
    uint64_t bytes = values[FIELD_RSS] * (uint64_t) sysconf(_SC_PAGESIZE);

    if (g_file_get_contents(path, &text, NULL, NULL))
        huge = strstr(text, "\nHugetlbPages:");
    if (huge != NULL)
        bytes += 1024 * g_ascii_strtoull(strchr(huge, ':') + 1, NULL, 10);
    return bytes;
}

static Grpc__MemoryStats *
to_memory(uint64_t bytes)
{
    Grpc__MemoryStats *memory = coco_metrics_new_message(&grpc__memory_stats__descriptor);

    memory->usage = coco_metrics_new_message(&grpc__memory_data__descriptor);
    memory->usage->usage = bytes;
    memory->usage->limit = UINT64_MAX;
    return memory;
}

Grpc__StatsContainerResponse *
coco_vm_usage_read(pid_t pid, const CocoCgroup *pod, GError **error)
{
    uint64_t values[N_FIELDS];
    uint64_t bytes;
    Grpc__StatsContainerResponse *usage;
    Grpc__CgroupStats *cgroup;

    if (pid <= 0 || !read_fields(pid, values)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE,
                    "read the usage of the VM: it does not run");
        return NULL;
    }
    if (!of_cgroup(pod, &bytes))
        bytes = of_process(pid, values);
    cgroup = coco_metrics_new_message(&grpc__cgroup_stats__descriptor);
    cgroup->cpu_stats = to_cpu(values);
    cgroup->memory_stats = to_memory(bytes);
    cgroup->pids_stats = coco_metrics_new_message(&grpc__pids_stats__descriptor);
    cgroup->pids_stats->current = values[FIELD_THREADS];
    usage = coco_metrics_new_message(&grpc__stats_container_response__descriptor);
    usage->cgroup_stats = cgroup;
    return usage;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * MemAvailable before the first container is the kernel's own estimate of what can be had without
 * swapping; the initrd's files, the agent and the kernel are not in it.
 */
#include "guest/system/pod-limits.h"

#include <string.h>

#include "guest/system/cgroup.h"
#include "guest/system/kernel-file.h"

#define RESERVE_PART 32
#define RESERVE_MIN (UINT64_C(8) << 20)
#define RESERVE_MAX (UINT64_C(64) << 20)
#define RESERVED_PROCESSES 64

static char *
read_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

uint64_t
coco_pod_limits_memory(const char *proc, const char *key)
{
    g_autofree char *text = read_file(proc, "meminfo");
    const char *line = text != NULL ? strstr(text, key) : NULL;

    return line != NULL ? g_ascii_strtoull(line + strlen(key), NULL, 10) * 1024 : 0;
}

static uint64_t
read_number(const char *proc, const char *name)
{
    g_autofree char *text = read_file(proc, name);

    return text != NULL ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static bool
limit_processes(const char *proc, const char *cgroup, GError **error)
{
    uint64_t most =
        MIN(read_number(proc, "sys/kernel/pid_max"), read_number(proc, "sys/kernel/threads-max"));
    g_autofree char *path = g_build_filename(cgroup, "pids.max", NULL);
    g_autofree char *text =
        g_strdup_printf("%" G_GUINT64_FORMAT, most > 0 ? most - RESERVED_PROCESSES : 0);

    return most <= 2 * RESERVED_PROCESSES || coco_kernel_file_write(path, text, error);
}

bool
coco_pod_limits_set(const char *proc, const char *cgroup, GError **error)
{
    uint64_t available = coco_pod_limits_memory(proc, "MemAvailable:");
    uint64_t reserve =
        CLAMP(coco_pod_limits_memory(proc, "MemTotal:") / RESERVE_PART, RESERVE_MIN, RESERVE_MAX);

    if (available > 2 * reserve &&
        !coco_cgroup_set_memory_limit(cgroup, available - reserve, error))
        return false;
    return limit_processes(proc, cgroup, error);
}

void
coco_pod_limits_grow(const char *proc, const char *cgroup, uint64_t before)
{
    uint64_t after = coco_pod_limits_memory(proc, "MemTotal:");
    uint64_t limit = read_number(cgroup, "memory.max");
    g_autoptr(GError) error = NULL;

    if (before > 0 && after > before && limit > 0 &&
        !coco_cgroup_set_memory_limit(cgroup, limit + (after - before), &error))
        g_message("the pod's memory: %s", error->message);
}

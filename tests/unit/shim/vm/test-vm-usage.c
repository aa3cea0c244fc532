// SPDX-License-Identifier: Apache-2.0
/*
 * What this process uses, as the kernel says it, and one that is not there; and the memory of a
 * cgroup, by files like the kernel's.
 */
#include "shim/vm/vm-usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/host/tree-remove.h"

Test(vm_usage, of_a_process)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__StatsContainerResponse) usage = coco_vm_usage_read(getpid(), NULL, &error);
    const Grpc__CpuUsage *cpu;
    struct rusage own;

    cr_assert_not_null(usage, "%s", error != NULL ? error->message : "");
    cpu = usage->cgroup_stats->cpu_stats->cpu_usage;
    cr_assert_eq(cpu->total_usage, cpu->usage_in_usermode + cpu->usage_in_kernelmode);
    (void) getrusage(RUSAGE_SELF, &own);
    cr_assert_leq(cpu->usage_in_usermode / 1000000000u, (uint64_t) own.ru_utime.tv_sec + 1);
    cr_assert_geq(usage->cgroup_stats->memory_stats->usage->usage, (uint64_t) 100 << 10);
    cr_assert_leq(usage->cgroup_stats->memory_stats->usage->usage,
                  (uint64_t) own.ru_maxrss * 1024 + (1 << 20));
    cr_assert_geq(usage->cgroup_stats->pids_stats->current, 1u);
}

static void
write_file(const char *base, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_autofree char *directory = g_path_get_dirname(path);

    cr_assert_eq(g_mkdir_with_parents(directory, 0700), 0);
    cr_assert(g_file_set_contents(path, text, -1, NULL));
}

/* What is told for a pod in /pod whose hierarchies are these. */
static uint64_t
memory_in(const char *base, const char *mounts)
{
    g_autofree char *table = g_build_filename(base, "mountinfo", NULL);
    g_autoptr(Grpc__StatsContainerResponse) usage = NULL;
    g_autoptr(CocoCgroup) cgroup = NULL;

    write_file(base, "mountinfo", mounts);
    cgroup = coco_cgroup_new("/pod", table, NULL);
    cr_assert_not_null(cgroup);
    usage = coco_vm_usage_read(getpid(), cgroup, NULL);
    cr_assert_not_null(usage);
    return usage->cgroup_stats->memory_stats->usage->usage;
}

Test(vm_usage, of_a_cgroup)
{
    g_autofree char *base = g_dir_make_tmp("vm-usage-XXXXXX", NULL);
    g_autofree char *v2 = g_strdup_printf("41 31 0:38 / %s/v2 rw - cgroup2 cgroup2 rw\n", base);
    g_autofree char *v1 = g_strdup_printf("35 31 0:32 / %s/memory rw - cgroup cgroup rw,memory\n"
                                          "36 31 0:33 / %s/huge rw - cgroup cgroup rw,hugetlb\n",
                                          base, base);
    g_autofree char *none =
        g_strdup_printf("37 31 0:34 / %s/cpu rw - cgroup cgroup rw,cpu\n", base);

    cr_assert_not_null(base);
    write_file(base, "v2/pod/memory.current", "5000000000000\n");
    write_file(base, "v2/pod/hugetlb.2MB.current", "4194304\n");
    write_file(base, "v2/pod/hugetlb.1GB.current", "1073741824\n");
    write_file(base, "v2/pod/hugetlb.2MB.rsvd.current", "77\n");
    write_file(base, "v2/pod/hugetlb.2MB.max", "88\n");
    cr_expect_eq(memory_in(base, v2), 5000000000000u + 4194304u + 1073741824u);
    write_file(base, "memory/pod/memory.usage_in_bytes", "6000000000000\n");
    write_file(base, "huge/pod/hugetlb.2MB.usage_in_bytes", "2097152\n");
    write_file(base, "huge/pod/hugetlb.2MB.rsvd.usage_in_bytes", "99\n");
    cr_expect_eq(memory_in(base, v1), 6000000000000u + 2097152u);
    cr_expect_lt(memory_in(base, none), 1000000000000u, "the process's own");
    cr_assert(coco_tree_remove(base));
}

Test(vm_usage, of_none)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_vm_usage_read(0, NULL, &error));
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE));
    cr_assert_str_eq(error->message, "read the usage of the VM: it does not run");
}

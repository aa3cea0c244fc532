// SPDX-License-Identifier: Apache-2.0
/*
 * What this process uses, as the kernel says it; and one that is not there.
 */
#include "shim/vm/vm-usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"

Test(vm_usage, of_a_process)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__StatsContainerResponse) usage = coco_vm_usage_read(getpid(), &error);
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

Test(vm_usage, of_none)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_vm_usage_read(0, &error));
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE));
    cr_assert_str_eq(error->message, "read the usage of the VM: it does not run");
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the job of the libvirt worker, and with it the saved spec of a VM. What is accepted holds
 * what the worker relies on.
 */
#include <stdint.h>
#include <string.h>

#include "vmm/launch/worker-job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nobody's. */
#define FIRST_FD 100000

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_auto(CocoWorkerOrder) order = { 0 };
    g_autoptr(GError) error = NULL;
    bool accepted = coco_worker_order_parse(size > 0 ? (const char *) data : "", size, FIRST_FD,
                                            &order, &error);
    const CocoVmSpec *spec = order.job.spec;

    g_assert_true(accepted == (error == NULL) && accepted == (spec != NULL));
    if (!accepted)
        return 0;
    g_assert_true(spec->config != NULL && spec->vcpus > 0 && spec->memory_mib > 0);
    g_assert_true(order.job.n_slots <= COCO_HOTPLUG_SLOTS);
    for (size_t i = 0; i < spec->disks.n; i++)
        g_assert_true(spec->disks.items[i].fd >= FIRST_FD);
    for (size_t i = 0; i < spec->nics.n; i++)
        g_assert_true(spec->nics.items[i].user || spec->nics.items[i].fds[0] >= FIRST_FD);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the launch request. What is accepted holds what the launcher relies on.
 */
#include <stdint.h>
#include <string.h>

#include "vmm/config/launch-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_auto(CocoLaunchRequest) request = { 0 };
    g_autoptr(GError) error = NULL;
    bool accepted =
        coco_launch_request_parse(size > 0 ? (const char *) data : "", size, &request, &error);

    g_assert_true(accepted == (error == NULL));
    g_assert_true(accepted || request.disks.n == 0);
    g_assert_true(request.disks.n <= COCO_VM_DISKS_MAX);
    g_assert_true(request.nics.n <= COCO_VM_NICS_MAX);
    for (size_t i = 0; i < request.nics.n; i++)
        g_assert_true(coco_vm_nic_is_mac(request.nics.items[i].mac) &&
                      request.nics.items[i].queues <= COCO_VM_NIC_QUEUES_MAX);
    for (size_t i = 0; i < request.disks.n; i++)
        g_assert_true(request.disks.items[i].path[0] == '/' && request.disks.items[i].fd == -1);
    return 0;
}

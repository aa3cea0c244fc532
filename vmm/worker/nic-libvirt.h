// SPDX-License-Identifier: Apache-2.0
/*
 * Network interfaces for a VM that is there, paused or not, in the libvirt worker: QEMU gets the
 * descriptors, a back end on them and a virtio device on that. libvirt takes no descriptors for
 * interfaces, and would open the tap in a namespace where it is not.
 *
 * Source: QEMU, qapi/net.json, qapi/misc.json (getfd), qapi/qdev.json.
 * Ownership: the descriptors are borrowed; QEMU has its own.
 * Thread: one; blocks.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

#include "vmm/config/vm-nic.h"
#include "vmm/domain/device-plan.h"

/* One, at a place of the plan; nothing is left of one that fails. */
bool coco_nic_attach(virDomain *domain, const CocoVmNic *nic, const char *name,
                     const CocoDevicePlan *plan, const CocoPlace *place, GError **error);

/* After its device is gone, and without an error: what is not there cannot be taken away. */
void coco_nic_remove_back_end(virDomain *domain, const char *name);

/* All of them, on their descriptors, where the plan has them. A VM that has only some is good for
 * nothing, and its launch is undone. */
bool coco_nics_attach(virDomain *domain, const CocoVmNics *nics, const CocoDevicePlan *plan,
                      GError **error);

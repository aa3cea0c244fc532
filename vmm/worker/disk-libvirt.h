// SPDX-License-Identifier: Apache-2.0
/*
 * How open disks (vm-disk.h) get to a QEMU that is not root, in the libvirt worker.
 *
 * Files: libvirt passes the descriptor on (virDomainFDAssociate, 9.0 and later). Devices: it takes
 * a path only, and QEMU's driver for files refuses a device behind a descriptor. So there is a
 * second node of the same device, which is QEMU's, on a file system that only this process and its
 * children see. The node of the host keeps owner and mode in both cases.
 *
 * Ownership: descriptors are borrowed.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>
#include <libvirt/libvirt.h>

#include "vmm/config/vm-disk.h"

/* True when one of the disks is a device. */
bool coco_disks_have_device(const CocoVmDisks *disks);

/* Makes the nodes below run_dir. This process must have a mount namespace of its own. */
bool coco_disks_make_nodes(const char *run_dir, const CocoVmDisks *disks, uid_t owner,
                           GError **error);

/* Gives the descriptors of the files to a defined domain. */
bool coco_disks_associate(virDomain *domain, const CocoVmDisks *disks, GError **error);

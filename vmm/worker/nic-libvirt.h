// SPDX-License-Identifier: Apache-2.0
/*
 * Network interfaces for a VM that is there and paused, in the libvirt worker: QEMU gets the
 * descriptors, a back end on them and a virtio device on that. libvirt takes no descriptors for
 * interfaces, and would open the tap in a namespace where it is not.
 *
 * Source: QEMU, qapi/net.json, qapi/misc.json (getfd), qapi/qdev.json.
 * Ownership: the descriptors are closed here; QEMU has its own by then.
 * Thread: one; blocks.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

/* All that word names (vm-nic.h), on the descriptors from first_fd on. A VM that has only some is
 * good for nothing, and its launch is undone. ports: behind the ports of the domain XML, else
 * (s390x) where QEMU puts them. */
bool coco_nics_attach(virDomain *domain, const char *word, int first_fd, bool ports,
                      GError **error);

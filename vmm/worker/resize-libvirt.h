// SPDX-License-Identifier: Apache-2.0
/*
 * More or fewer CPUs and more or less memory for a VM that runs, in the libvirt worker. CPUs are
 * libvirt's; memory beyond that of the launch is one virtio-mem device, which is plugged in when it
 * is first wanted and is then asked to be larger or smaller.
 *
 * A guest is asked, and no one waits for its memory: one that gives nothing back keeps it.
 *
 * Source: QEMU, qapi/qom.json, docs of virtio-mem.
 * Ownership: borrows all.
 * Thread: one; blocks.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

#include "vmm/launch/worker-job.h"

/* The size of the job, where it has one. What was changed is changed back when the rest fails. */
bool coco_resize(virDomain *domain, const CocoWorkerJob *job, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * Devices of a VM that runs, in the libvirt worker. Disks: QEMU gets an open descriptor, a block
 * node on it and a virtio disk on that, and gives them up in the other order. Interfaces:
 * nic-libvirt.h.
 *
 * By QEMU's own commands, through libvirt's monitor: its call for devices passes no descriptors to
 * a QEMU that runs (seen with 9.0), and the files are root's alone.
 *
 * Source: QEMU, qapi/block-core.json, qapi/qdev.json, qapi/misc.json (add-fd).
 * Ownership: borrows all.
 * Thread: one, which runs libvirt's event loop while a guest is waited for.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

#include "vmm/launch/worker-job.h"

/* The disks and interfaces of the job's spec. All are attached, or none. A slot that is empty again
 * is free again: its file is removed (hotplug.h). */
bool coco_hotplug_attach(virDomain *domain, const char *run_dir, const CocoWorkerJob *job,
                         GError **error);

/* Asks the guest for all n of them and waits until it has let each go. What is not attached is
 * fine. Slots that are empty are freed, also where others are not. */
bool coco_hotplug_detach(virDomain *domain, const char *run_dir, const unsigned int *slots,
                         size_t n, GError **error);

/* For slots that nothing came into. */
void coco_hotplug_free_slots(const char *run_dir, const unsigned int *slots, size_t n);

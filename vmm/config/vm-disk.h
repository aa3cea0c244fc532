// SPDX-License-Identifier: Apache-2.0
/*
 * The disks of the host that a VM gets beside its own: regular files and block devices, in the
 * order in which they were asked for.
 *
 * They belong to others (a snapshotter's are root's alone), and QEMU is not root. So they are
 * opened here and handed on as descriptors, without a change to owner or mode; what was checked is
 * what QEMU gets, whatever a link on the way points to later. Their content is never looked at: a
 * guest could write another format's header into its disk, so QEMU is told that every disk is raw.
 *
 * Ownership: a list owns its paths and descriptors.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#define COCO_VM_DISKS_MAX 128

/* What takes devices while the VM runs has so many places at most (domain/device-plan.h). */
#define COCO_HOTPLUG_SLOTS 30u

/* A CPU has some 200 interrupts to give, and a disk takes two: what comes after these must share
 * lines, or the last ones are disks that the guest's kernel cannot use. */
#define COCO_VM_DISKS_OWN_INTERRUPTS 64

typedef struct {
    char *path;
    bool readonly;
    bool is_device; /* known once it is open */
    int fd;         /* -1: not open yet */
} CocoVmDisk;

typedef struct {
    CocoVmDisk *items;
    size_t n;
} CocoVmDisks;

/* Appends a disk that is not open yet (path is copied). */
void coco_vm_disks_add(CocoVmDisks *disks, const char *path, bool readonly);

void coco_vm_disks_clear(CocoVmDisks *disks);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoVmDisks, coco_vm_disks_clear)

/* Opens each; BAD_CONFIG for what is no disk, naming it. */
bool coco_vm_disks_open(CocoVmDisks *disks, GError **error);

/* The name of disk i for libvirt, QEMU and the guest: "disk0" (transfer full). */
char *coco_vm_disk_name(size_t i);

/* The same for a device that came later, by its slot: "hot01" (transfer full). */
char *coco_hot_device_name(unsigned int slot);

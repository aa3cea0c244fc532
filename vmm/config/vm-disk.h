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

/* What takes disks while the VM runs: a PCI bus of its own, behind one port of the root bus. (The
 * root bus takes none, and a port for each possible disk would cost each boot.) */
#define COCO_HOTPLUG_PORT_SLOT 0x18u
#define COCO_HOTPLUG_BUS "ua-hotplug" /* QEMU's name for it */
#define COCO_HOTPLUG_SLOTS 31u        /* 1 to 31 */

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

/* The same for a disk that is attached while the VM runs, by its slot on the bus for such disks:
 * "hot01", "18/00/01" (transfer full). */
char *coco_hot_disk_name(unsigned int slot);
char *coco_hot_disk_pci_path(unsigned int slot);

/* The slot of a path of that form; 0 for any other text. */
unsigned int coco_hot_disk_slot(const char *pci_path);

/* Where it sits on the PCI root bus. */
void coco_vm_disk_slot(size_t i, unsigned int *out_slot, unsigned int *out_function);

/* The same as Kata's agent protocol writes it: "08", "08.1" (transfer full). */
char *coco_vm_disk_pci_path(size_t i);

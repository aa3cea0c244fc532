// SPDX-License-Identifier: Apache-2.0
/*
 * Where every device of a VM sits, and where its guest finds it: decided once, from the spec, for
 * the domain XML, for what is plugged in while the VM runs, and for those who tell the guest.
 *
 * On PCI (x86_64 q35, aarch64 virt), on the root bus:
 *
 *     slot 04-07  the VM's own devices
 *     slot 08-17  disks: function 0 of each first, since older Kata agents know no functions
 *     slot 18     what comes later. x86_64: one port and behind it a bus of 31 slots, the last of
 *                 them for memory, since a port for each would cost each boot. aarch64, whose guest
 *                 has no such bus without ACPI: 8 ports
 *     slot 19     interfaces: a function and port for each, because they are plugged in, too
 *
 * What is not plugged in sits on the root bus itself and not behind a port of its own, as libvirt
 * would have it: each port costs the guest's kernel time, and the way to the device is one step.
 *
 * s390x has no PCI here: each device has a number on the channel subsystem.
 *
 * Ownership: a plan owns its bridges.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "vmm/config/vm-arch.h"
#include "vmm/config/vm-spec.h"

/* QEMU's name for the bus of what comes later on x86_64. */
#define COCO_HOTPLUG_BUS "ua-hotplug"

typedef enum {
    COCO_OWN_INITDATA,
    COCO_OWN_SHARE,
    COCO_OWN_SERIAL,
    COCO_OWN_VSOCK,
    COCO_N_OWN_DEVICES,
} CocoOwnDevice;

typedef struct {
    bool is_ccw;
    unsigned int bus; /* PCI */
    unsigned int slot;
    unsigned int function;
    bool multifunction;
    unsigned int number; /* CCW */
} CocoPlace;

typedef struct {
    unsigned int bus; /* that is behind it */
    const char *model;
    char *alias;
    CocoPlace place;
} CocoBridge;

typedef struct _CocoDevicePlan CocoDevicePlan;

CocoDevicePlan *coco_device_plan_new(const CocoVmSpec *spec);
void coco_device_plan_free(CocoDevicePlan *plan); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoDevicePlan, coco_device_plan_free)

/* The bridges in the order of their buses (transfer none). */
const CocoBridge *coco_device_plan_bridges(const CocoDevicePlan *plan, size_t *out_n);

/* False where libvirt chooses. */
bool coco_device_plan_own(const CocoDevicePlan *plan, CocoOwnDevice device, CocoPlace *out_place);

/* Disk and interface i of those that the VM is launched with. */
CocoPlace coco_device_plan_disk(const CocoDevicePlan *plan, size_t i);
CocoPlace coco_device_plan_nic(const CocoDevicePlan *plan, size_t i);

/* How many devices can come later; each has a slot from 1 on. 0: none, for the launch made no room.
 */
unsigned int coco_device_plan_slots(const CocoDevicePlan *plan);
CocoPlace coco_device_plan_slot(const CocoDevicePlan *plan, unsigned int slot);

/* The memory that comes later; x86_64 with room only. */
CocoPlace coco_device_plan_memory(const CocoDevicePlan *plan);

/* The slot that the guest has at this path; 0 for any other text. */
unsigned int coco_device_plan_slot_at(const CocoDevicePlan *plan, const char *path);

/* The name of QEMU's bus and the address on it, as device_add takes them: "ua-nic0-port" and "0x0";
 * the bus is NULL where there is only one (transfer full, both). */
char *coco_device_plan_qemu_bus(const CocoDevicePlan *plan, const CocoPlace *place);
char *coco_device_plan_qemu_address(const CocoPlace *place);

/* Where the guest finds it, as Kata's agent protocol writes it: "08.1", "19/00", "18/00/01";
 * "0.0.1000" (transfer full). */
char *coco_device_plan_path(const CocoDevicePlan *plan, const CocoPlace *place);

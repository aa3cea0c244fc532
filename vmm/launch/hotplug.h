// SPDX-License-Identifier: Apache-2.0
/*
 * Disks of the host and interfaces for a VM that runs: `coco-vmm attach` and `coco-vmm detach`; and
 * another size: `coco-vmm resize`. The VM must have been launched with room (launch-request.h).
 *
 * A slot for such devices (device-plan.h) is taken while RUN/vm/hotNN is there, which names what is
 * in it; whoever empties the slot removes the file.
 * The commands tell how it goes in JSON lines, as a launch does: "config", "phase", and
 * last "result", which names where the guest finds each disk and interface.
 *
 * Ownership: options are borrowed.
 * Thread: one; blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "vmm/config/vm-size.h"

typedef struct {
    const char *run_dir;
    const char *const *places; /* detach: as attach told them; NULL-terminated */
    CocoVmSize size;           /* resize: in all; 0 is as it is */
    bool verbose;
} CocoHotplugOptions;

/* Reads which devices from standard input, as a launch does. All are attached, or none. */
bool coco_hotplug_attach_devices(const CocoHotplugOptions *options, FILE *out);

/* A device that the guest does not let go stays, and is an error. One that is not there is none. */
bool coco_hotplug_detach_devices(const CocoHotplugOptions *options, FILE *out);

/* Never below the memory that the VM was launched with, nor above what it has room for: BAD_CONFIG.
 * With a TEE a VM stays as it is: NO_TEE. */
bool coco_hotplug_resize(const CocoHotplugOptions *options, FILE *out);

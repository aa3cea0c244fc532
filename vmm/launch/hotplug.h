// SPDX-License-Identifier: Apache-2.0
/*
 * Disks of the host for a VM that runs: `coco-vmm attach` and `coco-vmm detach`. The VM must have
 * been launched with room for them (launch-request.h).
 *
 * A slot of the bus for such disks is taken while RUN/vm/hotNN is there, which names what is in it;
 * whoever empties the slot removes the file.
 * Both commands tell how it goes in JSON lines, as a launch does: "config", "phase", and
 * last "result", which names where the guest finds each disk.
 *
 * Ownership: options are borrowed.
 * Thread: one; blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

typedef struct {
    const char *run_dir;
    const char *const *places; /* detach: as attach told them; NULL-terminated */
    bool verbose;
} CocoHotplugOptions;

/* Reads which disks from standard input, as a launch does. All are attached, or none. */
bool coco_hotplug_attach_disks(const CocoHotplugOptions *options, FILE *out);

/* A disk that the guest does not let go stays, and is an error. One that is not there is none. */
bool coco_hotplug_detach_disks(const CocoHotplugOptions *options, FILE *out);

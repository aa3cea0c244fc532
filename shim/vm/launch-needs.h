// SPDX-License-Identifier: Apache-2.0
/*
 * What a VM gets, which is known later than that it will be wanted: the launcher gets ready and
 * waits for one line (vmm/config/launch-request.h).
 *
 * Ownership: needs borrow everything they name, but a copy owns it all except descriptors.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "shim/vm/pod-size.h"

typedef struct {
    const char *path; /* a file or a block device */
    bool readonly;
} CocoLaunchDisk;

typedef struct {
    const char *mac;
    unsigned int mtu;
    const int *taps; /* a descriptor for each queue; none: QEMU's own network */
    unsigned int n_taps;
} CocoLaunchNic;

typedef struct {
    bool share;   /* the directory of the command is exported */
    bool hotplug; /* disks may be attached later */
    CocoPodSize size;
    const char *netns; /* that QEMU is to be in: a path, or "new"; nullable: the shim's */
    const CocoLaunchDisk *disks;
    size_t n_disks;
    const CocoLaunchNic *nics;
    size_t n_nics;
} CocoLaunchNeeds;

/* (transfer full); without the interfaces. */
CocoLaunchNeeds *coco_launch_needs_copy(const CocoLaunchNeeds *needs);
void coco_launch_needs_free(CocoLaunchNeeds *copy); /* nullable */

/* The line, with its end (transfer full). */
char *coco_launch_needs_line(const CocoLaunchNeeds *needs);

/* The descriptors that go along with it, of int (transfer full). */
GArray *coco_launch_needs_descriptors(const CocoLaunchNeeds *needs);

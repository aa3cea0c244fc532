// SPDX-License-Identifier: Apache-2.0
/*
 * What a domain is made of beside the config: what was chosen, opened and asked for.
 *
 * Ownership: the facts borrow everything from the caller.
 * Thread: any.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/config/vm-disk.h"
#include "vmm/tee/boot-files.h"
#include "vmm/tee/host-choice.h"

typedef struct CocoDomainFacts {
    CocoAccel accel;
    CocoTransport transport;
    const char *run_dir;
    const char *share;         /* nullable: no shared directory */
    const char *virtiofsd;     /* the program, by a path below run_dir; NULL when share is */
    const CocoBootFiles *boot; /* nullable: the files that the config names, and no blobs */
    const char *initdata_disk; /* nullable */
    const CocoVmDisks *disks;  /* nullable; open */
    bool hotplug;              /* there is a bus for more disks: vm-disk.h */
    GBytes *host_data;         /* nullable: what the config says; else of the TEE's size */
} CocoDomainFacts;

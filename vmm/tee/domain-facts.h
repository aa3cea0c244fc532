// SPDX-License-Identifier: Apache-2.0
/*
 * What a domain is made of: the spec, and what was opened for it.
 *
 * Ownership: the facts borrow everything from the caller.
 * Thread: any.
 */
#pragma once

#include "vmm/config/vm-spec.h"
#include "vmm/tee/boot-files.h"

typedef struct CocoDomainFacts {
    const CocoVmSpec *spec; /* its disks are open */
    const char *run_dir;
    const char *virtiofsd;     /* the program, by a path below run_dir; NULL when share is */
    const CocoBootFiles *boot; /* nullable: the files that the config names, and no blobs */
    const char *initdata_disk; /* nullable */
    GBytes *host_data;         /* nullable: what the config says; else of the TEE's size */
} CocoDomainFacts;

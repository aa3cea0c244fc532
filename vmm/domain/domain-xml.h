// SPDX-License-Identifier: Apache-2.0
/*
 * The libvirt domain of a pod's VM: a pure function of config and resolved facts, so golden files
 * can pin it.
 *
 * Ownership: the facts borrow their strings from the caller.
 * Thread: any.
 */
#pragma once

#include "vmm/tee/boot-files.h"
#include "vmm/config/config.h"
#include "vmm/tee/host-choice.h"
#include "vmm/config/vm-disk.h"

/* The tag by which the guest mounts the shared directory. */
#define COCO_SHARE_TAG "kataShared"

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

/* The document (transfer full). Cannot fail: what comes from outside was checked when it was
 * loaded. */
char *coco_domain_xml(const CocoVmConfig *config, const CocoDomainFacts *facts);

/* The kernel command line, as it stands in the document (transfer full). */
char *coco_domain_cmdline(const CocoVmConfig *config, CocoAccel accel);

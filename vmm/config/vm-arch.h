// SPDX-License-Identifier: Apache-2.0
/*
 * The architecture of a VM, which its machine type says.
 *
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include "vmm/config/config.h"

typedef enum {
    COCO_ARCH_X86_64,
    COCO_ARCH_AARCH64,
    COCO_ARCH_S390X,
    COCO_N_ARCHS,
} CocoArch;

CocoArch coco_vm_arch(const CocoVmConfig *config);

/* As QEMU, libvirt and uname call it (transfer none). */
const char *coco_arch_name(CocoArch arch);

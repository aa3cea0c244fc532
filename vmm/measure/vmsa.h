// SPDX-License-Identifier: Apache-2.0
/*
 * The register state that a vCPU starts with (the VMSA page), which SEV-ES and SEV-SNP measure.
 *
 * Facts: AMD64 APM volume 2, table B-4; QEMU's reset state and what KVM adds to it
 * (sev_es_sync_vmsa).
 *
 * Ownership: the caller's page is filled.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/measure/firmware.h"

#define COCO_VMSA_BSP_EIP 0xfffffff0u

typedef struct {
    uint32_t eip;
    uint32_t cpu_signature;
    uint64_t features;
    bool fpu; /* false: the FPU fields stay zero (KVM's legacy SEV-ES VM type) */
} CocoVmsa;

void coco_vmsa_fill(const CocoVmsa *vmsa, uint8_t page[COCO_PAGE_BYTES]);

// SPDX-License-Identifier: Apache-2.0
/*
 * What an OVMF image says of itself to the VMM: a table of GUID entries that ends 32 bytes before
 * the end of the file, and the SEV and TDX section lists that two of the entries point to.
 *
 * All of it is untrusted: every length is compared before it is used, and each way of being wrong
 * has a message of its own.
 *
 * Facts: OvmfPkg/ResetVector (Ia16/ResetVectorVtf0.asm, X64/OvmfSevMetadata.asm,
 * X64/IntelTdxMetadata.asm).
 *
 * Ownership: the image is borrowed; results are copies.
 * Thread: any.
 */
#pragma once

#include "vmm/measure/bytes.h"

#define COCO_FIRMWARE_MAX_SECTIONS 64u
/* Memory that all sections together may add to a measurement. Real images have some 200 KiB outside
 * of the image itself; each 4 KiB costs two hashes. */
#define COCO_FIRMWARE_MAX_SECTION_BYTES (128ull << 20)
#define COCO_PAGE_BYTES 4096u

typedef enum {
    COCO_SEV_SECTION_MEMORY = 1,
    COCO_SEV_SECTION_SECRETS = 2,
    COCO_SEV_SECTION_CPUID = 3,
    COCO_SEV_SECTION_SVSM_CAA = 4,
    COCO_SEV_SECTION_KERNEL_HASHES = 0x10,
} CocoSevSectionType;

typedef struct {
    uint64_t gpa;
    uint64_t len;
    uint32_t type; /* CocoSevSectionType, or one that is not known here */
} CocoSevSection;

typedef enum {
    COCO_TDX_SECTION_BFV, /* the boot firmware volume: code */
    COCO_TDX_SECTION_CFV, /* the configuration firmware volume: UEFI variables */
    COCO_TDX_SECTION_TD_HOB,
    COCO_TDX_SECTION_TEMP_MEM,
} CocoTdxSectionType;

#define COCO_TDX_SECTION_EXTEND (1u << 0) /* the contents are measured */
#define COCO_TDX_SECTION_AUG (1u << 1)    /* added when the TD runs: nothing is measured */

typedef struct {
    uint64_t offset; /* of the raw data in the image */
    uint64_t raw_len;
    uint64_t gpa;
    uint64_t mem_len;
    uint32_t type; /* CocoTdxSectionType, or one that is not known here */
    uint32_t attributes;
} CocoTdxSection;

typedef struct {
    const uint8_t *data;
    size_t len;
} CocoFirmware;

/* Takes a look at the size. The result lends the bytes of image. */
bool coco_firmware_open(GBytes *image, CocoFirmware *out, GError **error);

/* Guest physical address of the first byte: an image ends at 4 GiB. */
uint64_t coco_firmware_gpa(const CocoFirmware *firmware);

/* Where the guest looks for the hashes of kernel, initrd and command line. */
bool coco_firmware_hash_table(const CocoFirmware *firmware, uint32_t *out_gpa, GError **error);

/* Where all vCPUs but the first start. */
bool coco_firmware_reset_eip(const CocoFirmware *firmware, uint32_t *out_eip, GError **error);

/* Both write at most COCO_FIRMWARE_MAX_SECTIONS. */
bool coco_firmware_sev_sections(const CocoFirmware *firmware, CocoSevSection *out, size_t *out_n,
                                GError **error);
bool coco_firmware_tdx_sections(const CocoFirmware *firmware, CocoTdxSection *out, size_t *out_n,
                                GError **error);

/* edk2 202511 and later have this entry, and no older one. */
bool coco_firmware_has_igvm_entry(const CocoFirmware *firmware);

// SPDX-License-Identifier: Apache-2.0
/*
 * The table of hashes that QEMU puts into the guest's memory, where the firmware looks for it and
 * compares what it is given: this is how kernel, initrd and command line get into a SEV
 * measurement.
 *
 * Facts: QEMU target/i386/sev.c (sev_add_kernel_loader_hashes), OVMF BlobVerifierLibSevHashes.
 *
 * Ownership: the caller's table is filled.
 * Thread: any.
 */
#pragma once

#include "vmm/measure/firmware.h"
#include "vmm/measure/measurement.h"

#define COCO_SEV_HASHES_BYTES 176u
#define COCO_SEV_HASH_GUID_BYTES 16u
#define COCO_N_SEV_HASHES 3u

/* By which the guest finds the rows of the table: command line, initrd, kernel. */
extern const uint8_t coco_sev_hash_guids[COCO_N_SEV_HASHES][COCO_SEV_HASH_GUID_BYTES];

/* Where the firmware looks for the table. */
bool coco_sev_hashes_find(const CocoFirmware *firmware, uint32_t *out_gpa, GError **error);

/* From the sha256 of kernel, initrd and command line in out. */
bool coco_sev_hashes_fill(const CocoMeasurement *measurement, uint8_t table[COCO_SEV_HASHES_BYTES],
                          GError **error);

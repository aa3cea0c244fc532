// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the metadata of an OVMF image: the input is the end of the image. Whatever is accepted
 * keeps its promises, and can be measured when it is small enough to be worth the time.
 */
#include <stdint.h>

#include "vmm/measure/kernel-check.h"
#include "vmm/measure/per-tee.h"

#define MAX_MEASURED_BYTES (16u * COCO_PAGE_BYTES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An image of whole pages that ends with the input. */
static GBytes *
make_image(const uint8_t *data, size_t size)
{
    size_t len = (size + COCO_PAGE_BYTES - 1) / COCO_PAGE_BYTES * COCO_PAGE_BYTES;
    uint8_t *image = g_malloc0(len);

    if (size > 0)
        memcpy(image + len - size, data, size);
    return g_bytes_new_take(image, len);
}

static void
look_up(const CocoFirmware *firmware)
{
    g_autoptr(GError) table_error = NULL;
    g_autoptr(GError) reset_error = NULL;
    uint32_t gpa = 0;
    uint32_t eip = 0;
    bool found = coco_firmware_hash_table(firmware, &gpa, &table_error);

    g_assert(found == (table_error == NULL) && found == (gpa != 0));
    g_assert(coco_firmware_reset_eip(firmware, &eip, &reset_error) == (reset_error == NULL));
    (void) coco_firmware_has_igvm_entry(firmware);
    (void) coco_firmware_checks_kernel(firmware);
}

static uint64_t
total_of_sev(const CocoFirmware *firmware)
{
    CocoSevSection sections[COCO_FIRMWARE_MAX_SECTIONS];
    g_autoptr(GError) error = NULL;
    uint64_t total = 0;
    size_t n = 0;
    bool found = coco_firmware_sev_sections(firmware, sections, &n, &error);

    g_assert(found == (error == NULL) && n <= G_N_ELEMENTS(sections));
    for (size_t i = 0; i < n; i++) {
        g_assert(sections[i].gpa % COCO_PAGE_BYTES == 0 && sections[i].len % COCO_PAGE_BYTES == 0);
        total += sections[i].len;
    }
    g_assert(total <= COCO_FIRMWARE_MAX_SECTION_BYTES);
    return found ? total : UINT64_MAX;
}

static uint64_t
total_of_tdx(const CocoFirmware *firmware)
{
    CocoTdxSection sections[COCO_FIRMWARE_MAX_SECTIONS];
    g_autoptr(GError) error = NULL;
    uint64_t total = 0;
    size_t n = 0;
    bool found = coco_firmware_tdx_sections(firmware, sections, &n, &error);

    g_assert(found == (error == NULL) && n <= G_N_ELEMENTS(sections));
    for (size_t i = 0; i < n; i++) {
        g_assert(coco_within(firmware->len, sections[i].offset, sections[i].raw_len));
        g_assert(sections[i].raw_len <= sections[i].mem_len);
        if ((sections[i].attributes & COCO_TDX_SECTION_AUG) == 0)
            total += sections[i].mem_len;
    }
    g_assert(total <= COCO_FIRMWARE_MAX_SECTION_BYTES);
    return found ? total : UINT64_MAX;
}

static void
measure(GBytes *image, CocoTee tee)
{
    CocoMeasureInput input = { .tee = tee, .firmware = image, .vcpus = 2, .cpu_model = "EPYC" };
    g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
    g_autoptr(GError) error = NULL;
    bool done = tee == COCO_TEE_SNP ? coco_measure_snp(&input, NULL, out, &error)
                                    : coco_measure_tdx(&input, NULL, out, &error);

    g_assert(done == (error == NULL));
    g_assert(!done || out->launch_digest.len == 48 || out->mrtd.len == 48);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) image = make_image(data, size);
    CocoFirmware firmware;

    if (!coco_firmware_open(image, &firmware, NULL))
        return 0;
    look_up(&firmware);
    if (total_of_sev(&firmware) <= MAX_MEASURED_BYTES)
        measure(image, COCO_TEE_SNP);
    if (total_of_tdx(&firmware) <= MAX_MEASURED_BYTES)
        measure(image, COCO_TEE_TDX);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * MRTD of TDX: one SHA-384 over a stream of records of the TDX module. Each page that the VMM adds
 * gives MEM.PAGE.ADD; each 256 bytes of a page that it measures give MR.EXTEND and the bytes.
 *
 * KVM adds and measures page by page. Intel's own QEMU 8 added a whole section first and measured
 * it then, which gives another value for the same memory.
 */
#include "vmm/measure/per-tee.h"

#include "vmm/config/vmm-error.h"
#include "vmm/measure/digest.h"

#define RECORD_BYTES 128
#define RECORD_GPA 16
#define CHUNK_BYTES 256u

static void
add_record(CocoHash *hash, const char *name, uint64_t gpa)
{
    uint8_t record[RECORD_BYTES] = { 0 };

    memcpy(record, name, strlen(name));
    coco_put_le64(record + RECORD_GPA, gpa);
    coco_hash_update(hash, record, sizeof record);
}

/* The page at offset `at` of the section; what is beyond the raw data is zero. */
static void
extend_page(CocoHash *hash, const CocoFirmware *firmware, const CocoTdxSection *section,
            uint64_t at)
{
    uint8_t page[COCO_PAGE_BYTES] = { 0 };

    if (at < section->raw_len)
        memcpy(page, firmware->data + section->offset + at,
               MIN(section->raw_len - at, sizeof page));
    for (size_t chunk = 0; chunk < sizeof page; chunk += CHUNK_BYTES) {
        add_record(hash, "MR.EXTEND", section->gpa + at + chunk);
        coco_hash_update(hash, page + chunk, CHUNK_BYTES);
    }
}

static void
add_section(CocoHash *hash, const CocoFirmware *firmware, const CocoTdxSection *section,
            bool two_pass)
{
    bool extend = (section->attributes & COCO_TDX_SECTION_EXTEND) != 0;

    for (uint64_t at = 0; at < section->mem_len; at += COCO_PAGE_BYTES) {
        add_record(hash, "MEM.PAGE.ADD", section->gpa + at);
        if (extend && !two_pass)
            extend_page(hash, firmware, section, at);
    }
    for (uint64_t at = 0; extend && two_pass && at < section->mem_len; at += COCO_PAGE_BYTES)
        extend_page(hash, firmware, section, at);
}

static const char *
section_name(uint32_t type)
{
    static const char *const names[] = {
        [COCO_TDX_SECTION_BFV] = "firmware code (BFV)",
        [COCO_TDX_SECTION_CFV] = "firmware variables (CFV)",
        [COCO_TDX_SECTION_TD_HOB] = "TD HOB",
        [COCO_TDX_SECTION_TEMP_MEM] = "memory",
    };

    return type < G_N_ELEMENTS(names) ? names[type] : "another section";
}

/* The first event of RTMR0 that can be known. */
static bool
measure_cfv(const CocoFirmware *firmware, const CocoTdxSection *section, CocoMeasurement *out,
            GError **error)
{
    g_autoptr(CocoHash) hash = NULL;

    if (section->type != COCO_TDX_SECTION_CFV || out->cfv_event.len > 0)
        return true;
    hash = coco_hash_new(COCO_HASH_SHA384, error);
    return hash != NULL && coco_hash_once(hash, firmware->data + section->offset, section->raw_len,
                                          &out->cfv_event, error);
}

bool
coco_measure_mrtd(const CocoMeasureInput *input, const CocoFirmware *firmware,
                  const CocoMeasureTrace *trace, CocoMeasurement *out, GError **error)
{
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA384, error);
    CocoTdxSection sections[COCO_FIRMWARE_MAX_SECTIONS];
    CocoDigest so_far = { 0 };
    size_t n = 0;

    if (hash == NULL || !coco_firmware_tdx_sections(firmware, sections, &n, error))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!measure_cfv(firmware, &sections[i], out, error))
            return false;
        if ((sections[i].attributes & COCO_TDX_SECTION_AUG) != 0)
            continue;
        add_section(hash, firmware, &sections[i], input->tdx_two_pass);
        if (!coco_hash_peek(hash, &so_far, error))
            return false;
        coco_measure_tell(trace, "mrtd", section_name(sections[i].type), sections[i].gpa,
                          sections[i].mem_len, NULL, &so_far);
    }
    return coco_hash_finish(hash, &out->mrtd, error);
}

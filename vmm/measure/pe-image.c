// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the parts of a PE image that Authenticode leaves out, and hashes the rest (pe-image.h).
 */
#include "vmm/measure/pe-image.h"

#include "vmm/config/vmm-error.h"
#include "vmm/measure/bytes.h"

#define DOS_HEADER_BYTES 64u
#define DOS_PE_OFFSET 0x3cu
#define COFF_HEADER_BYTES 24u /* with the signature "PE\0\0" */
#define COFF_N_SECTIONS 6u
#define COFF_OPTIONAL_BYTES 20u
#define OPTIONAL_HEADERS_BYTES 60u /* SizeOfHeaders */
#define OPTIONAL_CHECKSUM 64u
#define MAGIC_PE32 0x10bu
#define MAGIC_PE32_PLUS 0x20bu
#define DIRECTORY_BYTES 8u
#define DIRECTORY_SECURITY 4u
#define SECTION_BYTES 40u
#define SECTION_RAW_BYTES 16u
#define SECTION_RAW_OFFSET 20u

typedef struct {
    size_t headers;    /* bytes of all headers */
    size_t checksum;   /* offset */
    size_t directory;  /* offset of the entry for signatures; 0: there is none */
    size_t signatures; /* bytes */
    size_t sections;   /* offset of the first section header */
    unsigned int n_sections;
} Layout;

typedef struct {
    uint32_t offset;
    uint32_t len;
} Section;

/* The optional header: where the checksum and the entry for signatures are. */
static bool
find_holes(const uint8_t *image, size_t len, size_t optional, size_t optional_len, Layout *out,
           GError **error)
{
    uint16_t magic = optional_len >= 2 ? coco_le16(image + optional) : 0;
    size_t fixed = magic == MAGIC_PE32_PLUS ? 112 : 96;
    size_t entry = fixed + DIRECTORY_SECURITY * DIRECTORY_BYTES;

    if (magic != MAGIC_PE32 && magic != MAGIC_PE32_PLUS)
        return coco_vmm_bad_config(error, "kernel: the PE header is neither PE32 nor PE32+ (0x%x)",
                                   magic);
    if (optional_len < fixed)
        return coco_vmm_bad_config(error,
                                   "kernel: the optional PE header has %zu bytes and needs %zu",
                                   optional_len, fixed);
    out->headers = coco_le32(image + optional + OPTIONAL_HEADERS_BYTES);
    out->checksum = optional + OPTIONAL_CHECKSUM;
    if (coco_le32(image + optional + fixed - 4) <= DIRECTORY_SECURITY)
        return true;
    if (optional_len < entry + DIRECTORY_BYTES)
        return coco_vmm_bad_config(
            error, "kernel: the optional PE header ends before its entry for signatures");
    out->directory = optional + entry;
    out->signatures = coco_le32(image + out->directory + 4);
    if (out->signatures > 0 &&
        !coco_within(len, coco_le32(image + out->directory), out->signatures))
        return coco_vmm_bad_config(
            error, "kernel: the PE image says its signatures are outside of the file");
    return true;
}

static bool
read_layout(const uint8_t *image, size_t len, Layout *out, GError **error)
{
    size_t pe;
    size_t optional;
    size_t optional_len;

    *out = (Layout){ 0 };
    if (len < DOS_HEADER_BYTES || memcmp(image, "MZ", 2) != 0)
        return coco_vmm_bad_config(
            error, "kernel: it is no PE image; a UEFI firmware cannot start a kernel without EFI "
                   "stub");
    pe = coco_le32(image + DOS_PE_OFFSET);
    if (!coco_within(len, pe, COFF_HEADER_BYTES))
        return coco_vmm_bad_config(error, "kernel: its PE header is outside of the file");
    if (memcmp(image + pe, "PE\0\0", 4) != 0)
        return coco_vmm_bad_config(error,
                                   "kernel: it has no PE signature where its DOS header points");
    optional = pe + COFF_HEADER_BYTES;
    optional_len = coco_le16(image + pe + COFF_OPTIONAL_BYTES);
    if (!coco_within(len, optional, optional_len))
        return coco_vmm_bad_config(error, "kernel: its optional PE header is outside of the file");
    if (!find_holes(image, len, optional, optional_len, out, error))
        return false;
    out->sections = optional + optional_len;
    out->n_sections = coco_le16(image + pe + COFF_N_SECTIONS);
    if (out->n_sections > COCO_PE_MAX_SECTIONS)
        return coco_vmm_bad_config(error, "kernel: it has %u PE sections, and the limit is %u",
                                   out->n_sections, COCO_PE_MAX_SECTIONS);
    if (!coco_within(len, out->sections, out->n_sections * SECTION_BYTES))
        return coco_vmm_bad_config(error, "kernel: its PE section headers are outside of the file");
    if (out->headers > len || out->headers < out->sections + out->n_sections * SECTION_BYTES)
        return coco_vmm_bad_config(error, "kernel: its PE headers say they have %zu bytes",
                                   out->headers);
    return true;
}

static int
compare_sections(const void *a, const void *b)
{
    uint32_t left = ((const Section *) a)->offset;
    uint32_t right = ((const Section *) b)->offset;

    return left < right ? -1 : left > right;
}

static bool
read_sections(const uint8_t *image, size_t len, const Layout *layout, Section *out, GError **error)
{
    for (unsigned int i = 0; i < layout->n_sections; i++) {
        const uint8_t *header = image + layout->sections + i * SECTION_BYTES;

        out[i].len = coco_le32(header + SECTION_RAW_BYTES);
        out[i].offset = coco_le32(header + SECTION_RAW_OFFSET);
        if (out[i].len > 0 && !coco_within(len, out[i].offset, out[i].len))
            return coco_vmm_bad_config(error, "kernel: PE section %u is outside of the file", i);
    }
    qsort(out, layout->n_sections, sizeof out[0], compare_sections);
    return true;
}

bool
coco_pe_authenticode(CocoHash *hash, const uint8_t *image, size_t len, CocoDigest *out,
                     GError **error)
{
    Section sections[COCO_PE_MAX_SECTIONS];
    Layout layout;
    size_t at;
    uint64_t hashed;

    if (!read_layout(image, len, &layout, error) ||
        !read_sections(image, len, &layout, sections, error))
        return false;
    coco_hash_update(hash, image, layout.checksum);
    at = layout.checksum + 4;
    if (layout.directory > 0) {
        coco_hash_update(hash, image + at, layout.directory - at);
        at = layout.directory + DIRECTORY_BYTES;
    }
    coco_hash_update(hash, image + at, layout.headers - at);
    hashed = layout.headers;
    for (unsigned int i = 0; i < layout.n_sections; i++) {
        coco_hash_update(hash, image + sections[i].offset, sections[i].len);
        hashed += sections[i].len;
    }
    /* What follows the sections, but for the signatures at the end. */
    if (hashed < len - layout.signatures)
        coco_hash_update(hash, image + hashed, len - layout.signatures - hashed);
    return coco_hash_finish(hash, out, error);
}

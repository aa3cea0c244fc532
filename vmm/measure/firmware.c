// SPDX-License-Identifier: Apache-2.0
/*
 * The GUID table of an OVMF image and the two section lists that it leads to (firmware.h).
 *
 * The table is read from its end: each entry is data, u16 size of the whole entry, GUID; the last
 * entry's size is that of the whole table.
 */
#include "vmm/measure/firmware.h"

#include "vmm/config/vmm-error.h"
#include "vmm/measure/measurement.h"

#define TABLE_END 32u /* bytes between the table and the end of the image */
#define ENTRY_HEADER 18u
#define DESCRIPTOR_HEADER 16u
#define SEV_ENTRY 12u
#define TDX_ENTRY 32u
#define DESCRIPTOR_VERSION 1u
#define HASH_TABLE_MIN_BYTES 176u
#define FOUR_GIB (1ull << 32)

typedef uint8_t Guid[16];

/* In the order of the bytes in the file. */
static const Guid guid_footer = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                  0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
static const Guid guid_hash_table = { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                                      0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54 };
static const Guid guid_reset_block = { 0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
                                       0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e };
static const Guid guid_sev_metadata = { 0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
                                        0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc };
static const Guid guid_tdx_metadata = { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                        0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };
static const Guid guid_igvm = { 0x0e, 0xa7, 0x4f, 0x78, 0x76, 0x31, 0x77, 0x46,
                                0x8a, 0x20, 0x04, 0xb6, 0x86, 0x99, 0xe3, 0x74 };

bool
coco_firmware_open(GBytes *image, CocoFirmware *out, GError **error)
{
    size_t len = 0;
    const uint8_t *data = g_bytes_get_data(image, &len);

    if (len == 0)
        return coco_vmm_bad_config(error, "firmware: the file is empty");
    if (len > COCO_MEASURE_MAX_FIRMWARE)
        return coco_vmm_bad_config(error, "firmware: %zu bytes are more than the limit of %u", len,
                                   COCO_MEASURE_MAX_FIRMWARE);
    *out = (CocoFirmware){ data, len };
    return true;
}

uint64_t
coco_firmware_gpa(const CocoFirmware *firmware)
{
    return FOUR_GIB - firmware->len;
}

/* The table without its footer: [start, end) of the image. */
static bool
find_table(const CocoFirmware *firmware, size_t *out_start, size_t *out_end, GError **error)
{
    size_t footer;
    uint16_t size;

    if (firmware->len < TABLE_END + ENTRY_HEADER)
        return coco_vmm_bad_config(error, "firmware: %zu bytes are too few for a table of GUIDs",
                                   firmware->len);
    footer = firmware->len - TABLE_END - ENTRY_HEADER;
    if (memcmp(firmware->data + footer + 2, guid_footer, sizeof guid_footer) != 0)
        return coco_vmm_bad_config(
            error, "firmware: there is no table of GUIDs at the end; this is no OVMF image for "
                   "confidential VMs");
    size = coco_le16(firmware->data + footer);
    if (size < ENTRY_HEADER)
        return coco_vmm_bad_config(
            error, "firmware: the table of GUIDs says it has %u bytes, less than its own footer",
            size);
    if (size - ENTRY_HEADER > footer)
        return coco_vmm_bad_config(
            error, "firmware: the table of GUIDs says it has %u bytes, more than the image", size);
    *out_start = footer - (size - ENTRY_HEADER);
    *out_end = footer;
    return true;
}

/* The data of an entry; *out_data is NULL when there is no such entry. */
static bool
find_entry(const CocoFirmware *firmware, const Guid guid, const uint8_t **out_data, size_t *out_len,
           GError **error)
{
    size_t start = 0;
    size_t end = 0;

    *out_data = NULL;
    if (!find_table(firmware, &start, &end, error))
        return false;
    while (end - start >= ENTRY_HEADER) {
        const uint8_t *header = firmware->data + end - ENTRY_HEADER;
        uint16_t size = coco_le16(header);

        if (size < ENTRY_HEADER)
            return coco_vmm_bad_config(
                error,
                "firmware: an entry of the table of GUIDs has %u bytes, less than its header",
                size);
        if (size > end - start)
            return coco_vmm_bad_config(
                error, "firmware: an entry of the table of GUIDs has %u bytes, and %zu are left",
                size, end - start);
        if (memcmp(header + 2, guid, sizeof(Guid)) == 0) {
            *out_data = firmware->data + end - size;
            *out_len = size - ENTRY_HEADER;
            return true;
        }
        end -= size;
    }
    return end == start ||
           coco_vmm_bad_config(error, "firmware: the table of GUIDs begins with %zu stray bytes",
                               end - start);
}

/* Like find_entry(), for an entry that must be there and have at least min bytes. */
static const uint8_t *
need_entry(const CocoFirmware *firmware, const Guid guid, const char *what, size_t min,
           GError **error)
{
    const uint8_t *data = NULL;
    size_t len = 0;

    if (!find_entry(firmware, guid, &data, &len, error))
        return NULL;
    if (data == NULL)
        return coco_vmm_bad_config(error, "firmware: it has no %s", what), NULL;
    if (len < min)
        return coco_vmm_bad_config(error, "firmware: its %s has %zu bytes and needs %zu", what, len,
                                   min),
               NULL;
    return data;
}

bool
coco_firmware_has_igvm_entry(const CocoFirmware *firmware)
{
    const uint8_t *data = NULL;
    size_t len = 0;

    return find_entry(firmware, guid_igvm, &data, &len, NULL) && data != NULL;
}

bool
coco_firmware_hash_table(const CocoFirmware *firmware, uint32_t *out_gpa, GError **error)
{
    static const char what[] = "SEV hashes table";
    const uint8_t *data = need_entry(firmware, guid_hash_table, what, 8, error);
    uint32_t gpa;
    uint32_t size;

    if (data == NULL)
        return false;
    gpa = coco_le32(data);
    size = coco_le32(data + 4);
    if (gpa == 0)
        return coco_vmm_bad_config(error, "firmware: its %s is switched off (its address is 0)",
                                   what);
    if (size < HASH_TABLE_MIN_BYTES)
        return coco_vmm_bad_config(error, "firmware: its %s has room for %u bytes and needs %u",
                                   what, size, HASH_TABLE_MIN_BYTES);
    *out_gpa = gpa;
    return true;
}

bool
coco_firmware_reset_eip(const CocoFirmware *firmware, uint32_t *out_eip, GError **error)
{
    const uint8_t *data = need_entry(firmware, guid_reset_block, "SEV-ES reset block", 4, error);

    if (data == NULL)
        return false;
    *out_eip = coco_le32(data);
    return true;
}

/* Follows an entry (u32 offset from the end of the image) to "MAGI", u32 len, u32 version, u32 n,
 * and n rows. */
static const uint8_t *
find_rows(const CocoFirmware *firmware, const Guid guid, const char *what, const char *magic,
          size_t row, size_t *out_n, GError **error)
{
    const uint8_t *entry = need_entry(firmware, guid, what, 4, error);
    const uint8_t *header;
    uint32_t from_end;
    uint32_t len;
    uint32_t n;

    if (entry == NULL)
        return NULL;
    from_end = coco_le32(entry);
    if (from_end > firmware->len || from_end < DESCRIPTOR_HEADER)
        return coco_vmm_bad_config(error, "firmware: its %s would begin %u bytes before the end",
                                   what, from_end),
               NULL;
    header = firmware->data + firmware->len - from_end;
    if (memcmp(header, magic, 4) != 0)
        return coco_vmm_bad_config(error, "firmware: its %s does not begin with '%s'", what, magic),
               NULL;
    if (coco_le32(header + 8) != DESCRIPTOR_VERSION)
        return coco_vmm_bad_config(error, "firmware: its %s has version %u; version %u is known",
                                   what, coco_le32(header + 8), DESCRIPTOR_VERSION),
               NULL;
    len = coco_le32(header + 4);
    n = coco_le32(header + 12);
    if (n > COCO_FIRMWARE_MAX_SECTIONS)
        return coco_vmm_bad_config(error, "firmware: its %s has %u sections, and the limit is %u",
                                   what, n, COCO_FIRMWARE_MAX_SECTIONS),
               NULL;
    if (len > from_end || len < DESCRIPTOR_HEADER + n * row)
        return coco_vmm_bad_config(error, "firmware: its %s has %u sections in %u bytes", what, n,
                                   len),
               NULL;
    *out_n = n;
    return header + DESCRIPTOR_HEADER;
}

/* Pages are whole, addresses do not wrap, and all sections together stay below the limit. */
static bool
check_memory(const char *what, size_t i, uint64_t gpa, uint64_t len, uint64_t *total,
             GError **error)
{
    if (gpa % COCO_PAGE_BYTES != 0 || len % COCO_PAGE_BYTES != 0)
        return coco_vmm_bad_config(error,
                                   "firmware: %s section %zu is not made of whole pages (0x%" PRIx64
                                   ", 0x%" PRIx64 ")",
                                   what, i, gpa, len);
    if (len > COCO_FIRMWARE_MAX_SECTION_BYTES - *total)
        return coco_vmm_bad_config(error, "firmware: %s sections have more than %llu MiB", what,
                                   COCO_FIRMWARE_MAX_SECTION_BYTES >> 20);
    if (gpa > UINT64_MAX - len)
        return coco_vmm_bad_config(error, "firmware: %s section %zu ends after the last address",
                                   what, i);
    *total += len;
    return true;
}

bool
coco_firmware_sev_sections(const CocoFirmware *firmware, CocoSevSection *out, size_t *out_n,
                           GError **error)
{
    size_t n = 0;
    const uint8_t *rows =
        find_rows(firmware, guid_sev_metadata, "SEV metadata", "ASEV", SEV_ENTRY, &n, error);
    uint64_t total = 0;

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = rows + i * SEV_ENTRY;

        out[i] = (CocoSevSection){ coco_le32(row), coco_le32(row + 4), coco_le32(row + 8) };
        if (!check_memory("SEV", i, out[i].gpa, out[i].len, &total, error))
            return false;
    }
    *out_n = n;
    return true;
}

static bool
read_tdx_section(const CocoFirmware *firmware, const uint8_t *row, size_t i, uint64_t *total,
                 CocoTdxSection *out, GError **error)
{
    *out = (CocoTdxSection){
        .offset = coco_le32(row),
        .raw_len = coco_le32(row + 4),
        .gpa = coco_le64(row + 8),
        .mem_len = coco_le64(row + 16),
        .type = coco_le32(row + 24),
        .attributes = coco_le32(row + 28),
    };
    if (!coco_within(firmware->len, out->offset, out->raw_len))
        return coco_vmm_bad_config(
            error, "firmware: TDX section %zu has its data outside of the image", i);
    if (out->raw_len > out->mem_len)
        return coco_vmm_bad_config(error, "firmware: TDX section %zu has more data than memory", i);
    if ((out->attributes & COCO_TDX_SECTION_AUG) != 0)
        return true; /* not there at launch, however large */
    return check_memory("TDX", i, out->gpa, out->mem_len, total, error);
}

bool
coco_firmware_tdx_sections(const CocoFirmware *firmware, CocoTdxSection *out, size_t *out_n,
                           GError **error)
{
    size_t n = 0;
    const uint8_t *rows =
        find_rows(firmware, guid_tdx_metadata, "TDX metadata", "TDVF", TDX_ENTRY, &n, error);
    uint64_t total = 0;

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!read_tdx_section(firmware, rows + i * TDX_ENTRY, i, &total, &out[i], error))
            return false;
    }
    *out_n = n;
    return true;
}

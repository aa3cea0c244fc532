// SPDX-License-Identifier: Apache-2.0
/*
 * Fills the SEV hashes table (sev-hashes.h): a header, then command line, initrd and kernel. An
 * absent initrd counts as an empty one.
 */
#include "vmm/measure/sev-hashes.h"

#include "vmm/measure/bytes.h"
#include "vmm/measure/digest.h"

#define GUID_BYTES COCO_SEV_HASH_GUID_BYTES
#define HEADER_BYTES 18u
#define ROW_BYTES 50u
#define USED_BYTES (HEADER_BYTES + COCO_N_SEV_HASHES * ROW_BYTES)
G_STATIC_ASSERT(USED_BYTES <= COCO_SEV_HASHES_BYTES);

static const uint8_t guid_table[] = { 0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                      0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21 };

const uint8_t coco_sev_hash_guids[COCO_N_SEV_HASHES][COCO_SEV_HASH_GUID_BYTES] = {
    { 0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c, 0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab,
      0x2a },
    { 0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b, 0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78,
      0x1d },
    { 0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42, 0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04,
      0x5b },
};

static void
fill_row(uint8_t *row, const uint8_t *guid, const CocoDigest *digest)
{
    memcpy(row, guid, GUID_BYTES);
    coco_put_le16(row + GUID_BYTES, ROW_BYTES);
    memcpy(row + HEADER_BYTES, digest->bytes, ROW_BYTES - HEADER_BYTES);
}

bool
coco_sev_hashes_find(const CocoFirmware *firmware, uint32_t *out_gpa, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (coco_firmware_hash_table(firmware, out_gpa, &cause))
        return true;
    g_set_error(error, cause->domain, cause->code, "%s; it cannot measure the kernel that is given",
                cause->message);
    return false;
}

bool
coco_sev_hashes_fill(const CocoMeasurement *measurement, uint8_t table[COCO_SEV_HASHES_BYTES],
                     GError **error)
{
    CocoDigest initrd = measurement->initrd_sha256;
    const CocoDigest *const rows[COCO_N_SEV_HASHES] = { &measurement->cmdline_sha256, &initrd,
                                                        &measurement->kernel_sha256 };

    if (initrd.len == 0) {
        g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, error);

        if (hash == NULL || !coco_hash_once(hash, NULL, 0, &initrd, error))
            return false;
    }
    memset(table, 0, COCO_SEV_HASHES_BYTES);
    memcpy(table, guid_table, GUID_BYTES);
    coco_put_le16(table + GUID_BYTES, USED_BYTES);
    for (size_t i = 0; i < COCO_N_SEV_HASHES; i++)
        fill_row(table + HEADER_BYTES + i * ROW_BYTES, coco_sev_hash_guids[i], rows[i]);
    return true;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Unpacks and looks (kernel-check.h). A section that cannot be unpacked has no verifier in it; what
 * may be unpacked is bounded, whatever the image says.
 */
#include "vmm/measure/kernel-check.h"

#include <lzma.h>

#include "vmm/measure/sev-hashes.h"

#define SECTION_GUID 4u         /* the GUID's place in a section: behind size and type */
#define SECTION_DATA_OFFSET 16u /* behind it: where the data begin, counted from the section */
#define MAX_SECTIONS 16u        /* an image has one or two */
#define MAX_UNPACKED (64u << 20)
#define MAX_DECODER_MEMORY (128u << 20)

/* ee4e5898-3914-4259-9d6e-dc7bd79403cf: what the section holds is compressed with LZMA. */
static const uint8_t guid_lzma[] = { 0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42,
                                     0x9d, 0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf };

/* As much as there is: a section that is cut off may hold it all the same. (transfer full) */
static GByteArray *
unpack(const uint8_t *data, size_t len)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    GByteArray *unpacked = g_byte_array_new();
    lzma_ret result = lzma_alone_decoder(&stream, MAX_DECODER_MEMORY);
    size_t step = 1u << 20;

    stream.next_in = data;
    stream.avail_in = len;
    while (result == LZMA_OK && stream.total_out + step <= MAX_UNPACKED) {
        g_byte_array_set_size(unpacked, (unsigned int) (stream.total_out + step));
        stream.next_out = unpacked->data + stream.total_out;
        stream.avail_out = step;
        result = lzma_code(&stream, LZMA_RUN);
        if (stream.avail_out > 0)
            break; /* the end, or nothing that can be read */
    }
    g_byte_array_set_size(unpacked, (unsigned int) stream.total_out);
    lzma_end(&stream);
    return unpacked;
}

static bool
has_verifier(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < COCO_N_SEV_HASHES; i++) {
        if (memmem(data, len, coco_sev_hash_guids[i], COCO_SEV_HASH_GUID_BYTES) == NULL)
            return false;
    }
    return true;
}

/* guid: where a section's GUID may stand in the image. */
static bool
section_has_verifier(const CocoFirmware *firmware, const uint8_t *guid)
{
    size_t at = (size_t) (guid - firmware->data);
    g_autoptr(GByteArray) unpacked = NULL;
    size_t offset;

    if (at < SECTION_GUID || !coco_within(firmware->len, at, SECTION_DATA_OFFSET + 2))
        return false;
    offset = at - SECTION_GUID + coco_le16(guid + SECTION_DATA_OFFSET);
    if (offset >= firmware->len)
        return false;
    unpacked = unpack(firmware->data + offset, firmware->len - offset);
    return has_verifier(unpacked->data, unpacked->len);
}

bool
coco_firmware_checks_kernel(const CocoFirmware *firmware)
{
    const uint8_t *at = firmware->data;
    const uint8_t *end = firmware->data + firmware->len;

    if (has_verifier(firmware->data, firmware->len))
        return true;
    for (size_t i = 0; i < MAX_SECTIONS; i++) {
        at = memmem(at, (size_t) (end - at), guid_lzma, sizeof guid_lzma);
        if (at == NULL)
            return false;
        if (section_has_verifier(firmware, at))
            return true;
        at++;
    }
    return false;
}

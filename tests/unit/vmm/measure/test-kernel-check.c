// SPDX-License-Identifier: Apache-2.0
/*
 * A firmware that compares the kernel with its hash is told from one that only has a place for it.
 * Debian's own images are held against this by the measure suite.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <lzma.h>

#include "vmm/measure/kernel-check.h"
#include "vmm/measure/sev-hashes.h"

#define GUID "\x98\x58\x4e\xee\x14\x39\x59\x42\x9d\x6e\xdc\x7b\xd7\x94\x03\xcf"

static bool
check(const GByteArray *image)
{
    CocoFirmware firmware = { image->data, image->len };

    return coco_firmware_checks_kernel(&firmware);
}

/* What a driver with n of the three GUIDs looks like among other code. */
static GByteArray *
driver(size_t n, size_t other)
{
    GByteArray *code = g_byte_array_new();

    for (size_t i = 0; i < other; i++) {
        const uint8_t byte = (uint8_t) (i * i / 251);

        g_byte_array_append(code, &byte, 1);
    }
    for (size_t i = 0; i < n; i++) {
        g_byte_array_append(code, coco_sev_hash_guids[i], COCO_SEV_HASH_GUID_BYTES);
        g_byte_array_append(code, (const uint8_t *) "code", 4);
    }
    return code;
}

static void
pack(const GByteArray *code, GByteArray *image)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma options;
    g_autofree uint8_t *packed = g_malloc(code->len + 4096);

    cr_assert(!lzma_lzma_preset(&options, 1));
    cr_assert_eq(lzma_alone_encoder(&stream, &options), LZMA_OK);
    stream.next_in = code->data;
    stream.avail_in = code->len;
    stream.next_out = packed;
    stream.avail_out = code->len + 4096;
    cr_assert_eq(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
    g_byte_array_append(image, packed, (unsigned int) stream.total_out);
    lzma_end(&stream);
}

/* 0x84 bytes, and a section with the code in it. */
static GByteArray *
image_with(size_t n, size_t other)
{
    static const uint8_t before[0x84] = { 0xff };
    GByteArray *image = g_byte_array_new();
    g_autoptr(GByteArray) code = driver(n, other);

    g_byte_array_append(image, before, sizeof before);
    g_byte_array_append(image, (const uint8_t *) "\0\0\x10\x02" GUID "\x18\0\1\0", 24);
    pack(code, image);
    g_byte_array_append(image, before, sizeof before);
    return image;
}

Test(kernel_check, all_three_hashes_are_looked_for)
{
    g_autoptr(GByteArray) all = image_with(3, 1000);
    g_autoptr(GByteArray) two = image_with(2, 1000);
    g_autoptr(GByteArray) none = image_with(0, 1000);

    cr_assert(check(all));
    cr_assert_not(check(two));
    cr_assert_not(check(none));
}

Test(kernel_check, a_large_volume_and_one_that_is_not_compressed)
{
    g_autoptr(GByteArray) large = image_with(3, 5u << 20);
    g_autoptr(GByteArray) raw = driver(3, 100);

    cr_assert(check(large));
    cr_assert(check(raw));
}

/* Cut anywhere, with any byte changed: an answer, and no more memory than is allowed. */
Test(kernel_check, what_is_broken_is_no_verifier)
{
    g_autoptr(GByteArray) image = image_with(3, 300);

    for (unsigned int len = 0x84; len < image->len; len += 7) {
        CocoFirmware cut = { image->data, len };

        (void) coco_firmware_checks_kernel(&cut);
    }
    for (unsigned int at = 0x84; at < image->len; at++) {
        image->data[at] ^= 0xff;
        (void) check(image);
        image->data[at] ^= 0xff;
    }
    memset(image->data + 0x84 + 24, 0xff, 13); /* the decoder's header */
    cr_assert_not(check(image));
}

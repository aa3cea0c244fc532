// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/measure/pe-image.c: what is part of an Authenticode digest and what is not, and each refusal.
 * The images are those of the fuzz corpus. The digest of a real kernel, checked with pesign, is in
 * the suite "measure".
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/measure/bytes.h"
#include "vmm/measure/pe-image.h"

static uint8_t *
load(const char *name, size_t *out_len)
{
    g_autofree char *path = g_build_filename(CORPUS, "pe-image", name, NULL);
    g_autoptr(GError) error = NULL;
    char *data = NULL;

    g_file_get_contents(path, &data, out_len, &error);
    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    return (uint8_t *) data;
}

static CocoDigest
digest_of(const uint8_t *image, size_t len)
{
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, NULL);
    g_autoptr(GError) error = NULL;
    CocoDigest digest = { 0 };

    cr_assert(coco_pe_authenticode(hash, image, len, &digest, &error), "%s",
              error != NULL ? error->message : "");
    cr_assert_eq(digest.len, 32);
    return digest;
}

/* The layout of the corpus' image "plus": PE header at 64, optional header at 88, the entry for
 * signatures at 88 + 112 + 32, 512 bytes of headers, sections of 512 and 256 bytes, 32 bytes that
 * follow them, 64 bytes of signatures. */
#define CHECKSUM (88 + 64)
#define SECURITY_ENTRY (88 + 112 + 32)
#define SECTIONS 512
#define SIGNATURES (512 + 512 + 256 + 32)

static bool
is_left_out(size_t at)
{
    return (at >= CHECKSUM && at < CHECKSUM + 4) ||
           (at >= SECURITY_ENTRY && at < SECURITY_ENTRY + 8) || at >= SIGNATURES;
}

Test(pe_image, all_but_checksum_and_signatures_is_hashed)
{
    size_t len = 0;
    g_autofree uint8_t *image = load("plus", &len);
    CocoDigest right = digest_of(image, len);

    cr_assert_eq(len, SIGNATURES + 64);
    for (size_t at = 0; at < len; at++) {
        g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, NULL);
        CocoDigest other = { 0 };
        uint8_t byte = image[at];

        image[at] ^= 0x01;
        /* A byte that makes the image wrong is no byte that could be exchanged unseen. */
        if (coco_pe_authenticode(hash, image, len, &other, NULL)) {
            bool same = memcmp(right.bytes, other.bytes, right.len) == 0;

            cr_assert_eq(same, is_left_out(at), "byte %zu", at);
        }
        image[at] = byte;
    }
}

Test(pe_image, the_digest_is_that_of_the_parts)
{
    size_t len = 0;
    g_autofree uint8_t *image = load("plus", &len);
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, NULL);
    CocoDigest got = digest_of(image, len);
    CocoDigest want = { 0 };

    coco_hash_update(hash, image, CHECKSUM);
    coco_hash_update(hash, image + CHECKSUM + 4, SECURITY_ENTRY - CHECKSUM - 4);
    coco_hash_update(hash, image + SECURITY_ENTRY + 8, SIGNATURES - SECURITY_ENTRY - 8);
    cr_assert(coco_hash_finish(hash, &want, NULL));
    cr_assert_arr_eq(got.bytes, want.bytes, want.len);
}

Test(pe_image, sections_count_in_the_order_of_the_file)
{
    size_t len = 0;
    size_t other_len = 0;
    g_autofree uint8_t *image = load("plus", &len);
    g_autofree uint8_t *reversed = load("reversed", &other_len);
    CocoDigest one;
    CocoDigest other;

    /* The two differ in their section headers alone: give them the same. */
    cr_assert_eq(len, other_len);
    one = digest_of(image, len);
    other = digest_of(reversed, len);
    cr_assert(memcmp(one.bytes, other.bytes, one.len) != 0);
    memcpy(reversed, image, SECTIONS);
    other = digest_of(reversed, len);
    cr_assert_arr_eq(one.bytes, other.bytes, one.len);
}

static const struct {
    const char *image;
    const char *message;
} refusals[] = {
    { "text", "kernel: it is no PE image; a UEFI firmware cannot start a kernel without EFI stub" },
    { "no-pe", "kernel: it has no PE signature where its DOS header points" },
    { "pe-outside", "kernel: its PE header is outside of the file" },
    { "optional-outside", "kernel: its optional PE header is outside of the file" },
    { "bad-optional", "kernel: the PE header is neither PE32 nor PE32+ (0x107)" },
    { "short-optional", "kernel: the optional PE header has 64 bytes and needs 112" },
    { "no-security", "kernel: the optional PE header ends before its entry for signatures" },
    { "signatures-outside", "kernel: the PE image says its signatures are outside of the file" },
    { "many-sections", "kernel: it has 65535 PE sections, and the limit is 96" },
    { "headers-outside", "kernel: its PE section headers are outside of the file" },
    { "large-headers", "kernel: its PE headers say they have 1048576 bytes" },
    { "section-outside", "kernel: PE section 1 is outside of the file" },
};

Test(pe_image, each_way_of_being_wrong_has_its_message)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, NULL);
        g_autoptr(GError) error = NULL;
        CocoDigest digest = { 0 };
        size_t len = 0;
        g_autofree uint8_t *image = load(refusals[i].image, &len);

        cr_assert_not(coco_pe_authenticode(hash, image, len, &digest, &error), "%s",
                      refusals[i].image);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, refusals[i].message);
    }
}

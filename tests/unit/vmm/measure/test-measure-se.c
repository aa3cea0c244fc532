// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/measure/measure-se.c: the header of a Secure Execution image wherever it is, and each
 * refusal. The images are those of the fuzz corpus; there the lists' digests are letters, so that
 * each field is seen to come from its place.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/measure/measure.h"

#define METADATA_OFFSET 0xc000

static GBytes *
load(const char *name, size_t before)
{
    g_autofree char *path = g_build_filename(CORPUS, "se-header", name, NULL);
    g_autofree char *data = NULL;
    g_autoptr(GError) error = NULL;
    uint8_t *image;
    size_t len = 0;

    g_file_get_contents(path, &data, &len, &error);
    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    image = g_malloc0(before + len);
    memcpy(image + before, data, len);
    return g_bytes_new_take(image, before + len);
}

static bool
measure(GBytes *image, CocoMeasurement *out, GError **error)
{
    CocoMeasureInput input = { .tee = COCO_TEE_SE, .kernel = image };

    return coco_measure(&input, NULL, out, error);
}

static void
assert_filled(const CocoDigest *digest, size_t len, uint8_t with)
{
    cr_assert_eq(digest->len, len);
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(digest->bytes[i], with);
}

static void
assert_is_ours(const char *name, size_t before, size_t n_keys)
{
    g_autoptr(GBytes) image = load(name, before);
    g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
    g_autoptr(GError) error = NULL;

    cr_assert(measure(image, out, &error), "%s: %s", name, error != NULL ? error->message : "");
    assert_filled(&out->se.pld, 64, 'P');
    assert_filled(&out->se.ald, 64, 'A');
    assert_filled(&out->se.tld, 64, 'T');
    assert_filled(&out->se.tag, 16, 'g');
    cr_assert_eq(out->se.n_pages, 5);
    cr_assert_eq(out->se.n_host_keys, n_keys);
    for (size_t i = 0; i < n_keys; i++)
        assert_filled(&out->se.host_keys[i], 32, (uint8_t) ('A' + i));
    cr_assert_eq(out->launch_digest.len, 0, "the host measures nothing");
}

Test(measure_se, the_header_is_found_and_read)
{
    assert_is_ours("one-key", 0, 1);
    assert_is_ours("three-keys", 0, 3);
    assert_is_ours("second-page", 0, 2);
    assert_is_ours("metadata", METADATA_OFFSET, 1);
    assert_is_ours("three-keys", 0x14000, 3);
}

static const struct {
    const char *image;
    size_t before;
    const char *message;
} refusals[] = {
    { "one-key", 100,
      "kernel: it has no Secure Execution header; is it an image that pvimg made?" },
    { "metadata-away", METADATA_OFFSET,
      "kernel: its metadata points to 0x8000000000000000, where no Secure Execution header is" },
    { "metadata-version", METADATA_OFFSET,
      "kernel: its Secure Execution metadata has version 2; version 1 is known" },
    { "version", 0,
      "kernel: its Secure Execution header has version 0x200; version 0x100 is known" },
    { "cut-off", 0,
      "kernel: its Secure Execution header says it has 640 bytes, and 620 are there" },
    { "cut-short", 0, "kernel: it ends within its Secure Execution header" },
    { "no-key", 0, "kernel: its Secure Execution header says it has 0 host keys" },
    { "many-keys", 0,
      "kernel: its Secure Execution header says it has 4611686018427387904 host keys" },
    { "much-encrypted", 0,
      "kernel: the parts of its Secure Execution header (1 host keys, 18446744073709551615 "
      "encrypted "
      "bytes) do not make up its 640 bytes" },
};

Test(measure_se, each_way_of_being_wrong_has_its_message)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autoptr(GBytes) image = load(refusals[i].image, refusals[i].before);
        g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
        g_autoptr(GError) error = NULL;

        cr_assert_not(measure(image, out, &error), "%s", refusals[i].image);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, refusals[i].message);
    }
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes initdata. The first byte says what the rest is: 't' TOML, 'g' gzip (which is made base64
 * first), anything else the annotation as it stands. Whatever is accepted must survive its way to
 * the guest: image and annotation hold the same text, and the text the same digest.
 */
#include <string.h>

#include <openssl/evp.h>

#include "vmm/initdata/initdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static CocoInitdata *
load(char kind, const char *data, size_t size, GError **error)
{
    g_autofree char *value = NULL;

    if (kind == 't')
        return coco_initdata_from_toml(data, size, error);
    if (kind != 'g')
        return coco_initdata_from_annotation(data, size, error);
    value = g_base64_encode((const uint8_t *) data, size);
    return coco_initdata_from_annotation(value, strlen(value), error);
}

static void
check_digest(const CocoInitdata *initdata, const char *toml, size_t toml_len)
{
    size_t len;
    const uint8_t *digest = coco_initdata_digest(initdata, &len);
    const EVP_MD *method = EVP_get_digestbyname(coco_initdata_algorithm(initdata));
    uint8_t expected[EVP_MAX_MD_SIZE];
    unsigned int expected_len;

    g_assert_nonnull(method);
    g_assert_cmpint(EVP_Digest(toml, toml_len, expected, &expected_len, method, NULL), ==, 1);
    g_assert_cmpmem(digest, len, expected, expected_len);
}

/* The gzip data of the image, as a guest finds it. */
static char *
annotation_of_image(const CocoInitdata *initdata)
{
    g_autoptr(GBytes) image = coco_initdata_image(initdata);
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(image, &size);
    uint64_t len;

    g_assert_cmpuint(size % COCO_INITDATA_SECTOR, ==, 0);
    g_assert_cmpmem(bytes, 8, "initdata", 8);
    memcpy(&len, bytes + 8, sizeof len);
    len = GUINT64_FROM_LE(len);
    g_assert_cmpuint(len, <=, size - 16);
    g_assert_cmpuint(size - 16 - len, <, COCO_INITDATA_SECTOR);
    return g_base64_encode(bytes + 16, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoInitdata) first = NULL;
    g_autoptr(CocoInitdata) second = NULL;
    g_autofree char *annotation = NULL;
    g_autofree char *carried = NULL;
    const char *texts[2];
    size_t lens[2];

    if (size == 0)
        return 0;
    first = load((char) data[0], (const char *) data + 1, size - 1, &error);
    g_assert_true((first == NULL) == (error != NULL));
    if (first == NULL) {
        g_assert_true(g_str_has_prefix(error->message, "initdata: "));
        g_assert_null(strpbrk(error->message, "\r\n"));
        return 0;
    }
    annotation = coco_initdata_annotation(first);
    carried = annotation_of_image(first);
    g_assert_cmpstr(annotation, ==, carried);
    second = coco_initdata_from_annotation(carried, strlen(carried), &error);
    g_assert_no_error(error);
    texts[0] = coco_initdata_toml(first, &lens[0]);
    texts[1] = coco_initdata_toml(second, &lens[1]);
    g_assert_cmpmem(texts[0], lens[0], texts[1], lens[1]);
    check_digest(first, texts[0], lens[0]);
    check_digest(second, texts[1], lens[1]);
    return 0;
}

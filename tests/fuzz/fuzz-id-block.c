// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes what `cococtl id-block` and the config read. The first byte picks the form: 'b' an ID
 * block, 'a' an ID auth, 'B' an ID block in base64, 'h' the hex of a launch digest. What is
 * accepted must give the same bytes back. (Whether a signature is right is OpenSSL's affair and
 * takes a millisecond, so it is left to the unit test.)
 */
#include <string.h>

#include "vmm/owner/id-block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_block(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    uint8_t again[COCO_ID_BLOCK_SIZE];
    CocoIdBlock block;
    bool accepted = coco_id_block_from_bytes(data, size, &block, &error);

    g_assert_true(accepted == (error == NULL));
    if (!accepted)
        return;
    coco_id_block_to_bytes(&block, again);
    g_assert_cmpmem(data, size, again, sizeof again);
}

static void
fuzz_auth(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    CocoIdKey *keys[2] = { NULL, NULL };
    uint8_t again[COCO_ID_KEY_SIZE];
    bool accepted = coco_id_auth_read(data, size, keys, &error);

    g_assert_true(accepted == (error == NULL));
    g_assert_true(accepted == (keys[0] != NULL));
    if (!accepted)
        return;
    g_assert_cmpuint(size, ==, COCO_ID_AUTH_SIZE);
    coco_id_key_to_bytes(keys[0], again);
    g_assert_cmpmem(data + 576, sizeof again, again, sizeof again);
    if (keys[1] != NULL) {
        coco_id_key_to_bytes(keys[1], again);
        g_assert_cmpmem(data + 2176, sizeof again, again, sizeof again);
    }
    coco_id_key_free(keys[0]);
    coco_id_key_free(keys[1]);
}

static void
fuzz_base64(const char *text)
{
    g_autoptr(GError) error = NULL;
    uint8_t bytes[COCO_ID_BLOCK_SIZE];
    g_autofree char *again = NULL;

    if (coco_id_bytes_from_base64(text, bytes, sizeof bytes, &error)) {
        again = g_base64_encode(bytes, sizeof bytes);
        g_assert_nonnull(strstr(text, again));
        fuzz_block(bytes, sizeof bytes);
    } else {
        g_assert_nonnull(error);
    }
}

static void
fuzz_hex(const char *text)
{
    g_autoptr(GError) error = NULL;
    uint8_t bytes[COCO_ID_LAUNCH_DIGEST_SIZE];
    g_autoptr(GString) again = g_string_new(NULL);

    if (!coco_id_bytes_from_hex(text, bytes, sizeof bytes, &error)) {
        g_assert_nonnull(error);
        return;
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        g_string_append_printf(again, "%02x", bytes[i]);
    g_assert_cmpint(g_ascii_strcasecmp(again->str, text + (strlen(text) > again->len ? 2 : 0)), ==,
                    0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = NULL;

    if (size == 0)
        return 0;
    text = g_strndup((const char *) data + 1, size - 1);
    if (data[0] == 'b')
        fuzz_block(data + 1, size - 1);
    else if (data[0] == 'a')
        fuzz_auth(data + 1, size - 1);
    else if (data[0] == 'B')
        fuzz_base64(text);
    else
        fuzz_hex(text);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * ID block and ID authentication information, byte by byte (id-block.h).
 */
#include "vmm/owner/id-block.h"

#include <string.h>

#include "vmm/config/byte-text.h"
#include "vmm/config/vmm-error.h"

#define BLOCK_VERSION 1u
#define ALGORITHM_P384_SHA384 1u
#define POLICY_MUST_BE_ONE (UINT64_C(1) << 17)

enum {
    BLOCK_FAMILY_ID = 48,
    BLOCK_IMAGE_ID = 64,
    BLOCK_VERSION_AT = 80,
    BLOCK_SVN = 84,
    BLOCK_POLICY = 88,
};

enum {
    AUTH_ID_ALGORITHM = 0,
    AUTH_AUTHOR_ALGORITHM = 4,
    AUTH_BLOCK_SIGNATURE = 64,
    AUTH_ID_KEY = 576,
    AUTH_ID_KEY_SIGNATURE = 1664,
    AUTH_AUTHOR_KEY = 2176,
};

/* What is reserved: from, to. */
static const size_t auth_gaps[][2] = { { 8, 64 }, { 1604, 1664 }, { 3204, 4096 } };

static uint32_t
get_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return GUINT32_FROM_LE(value);
}

static void
put_u32(uint8_t *bytes, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(bytes, &value, sizeof value);
}

static bool
is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

void
coco_id_block_to_bytes(const CocoIdBlock *block, uint8_t *out_bytes)
{
    uint64_t policy = GUINT64_TO_LE(block->policy);

    memcpy(out_bytes, block->launch_digest, sizeof block->launch_digest);
    memcpy(out_bytes + BLOCK_FAMILY_ID, block->family_id, sizeof block->family_id);
    memcpy(out_bytes + BLOCK_IMAGE_ID, block->image_id, sizeof block->image_id);
    put_u32(out_bytes + BLOCK_VERSION_AT, BLOCK_VERSION);
    put_u32(out_bytes + BLOCK_SVN, block->guest_svn);
    memcpy(out_bytes + BLOCK_POLICY, &policy, sizeof policy);
}

bool
coco_id_block_from_bytes(const uint8_t *bytes, size_t len, CocoIdBlock *out_block, GError **error)
{
    uint64_t policy;

    if (len != COCO_ID_BLOCK_SIZE)
        return coco_vmm_bad_config(error, "an ID block has %u bytes and this has %zu",
                                   COCO_ID_BLOCK_SIZE, len);
    if (get_u32(bytes + BLOCK_VERSION_AT) != BLOCK_VERSION)
        return coco_vmm_bad_config(error, "version %u of an ID block is unknown",
                                   get_u32(bytes + BLOCK_VERSION_AT));
    memcpy(&policy, bytes + BLOCK_POLICY, sizeof policy);
    policy = GUINT64_FROM_LE(policy);
    if ((policy & POLICY_MUST_BE_ONE) == 0)
        return coco_vmm_bad_config(
            error, "policy 0x%" G_GINT64_MODIFIER "x has bit 17 clear, which must be 1", policy);
    memcpy(out_block->launch_digest, bytes, sizeof out_block->launch_digest);
    memcpy(out_block->family_id, bytes + BLOCK_FAMILY_ID, sizeof out_block->family_id);
    memcpy(out_block->image_id, bytes + BLOCK_IMAGE_ID, sizeof out_block->image_id);
    out_block->guest_svn = get_u32(bytes + BLOCK_SVN);
    out_block->policy = policy;
    return true;
}

bool
coco_id_auth_make(const uint8_t *block, const CocoIdKey *id_key, const CocoIdKey *author_key,
                  uint8_t *out_auth, GError **error)
{
    memset(out_auth, 0, COCO_ID_AUTH_SIZE);
    put_u32(out_auth + AUTH_ID_ALGORITHM, ALGORITHM_P384_SHA384);
    coco_id_key_to_bytes(id_key, out_auth + AUTH_ID_KEY);
    if (!coco_id_key_sign(id_key, block, COCO_ID_BLOCK_SIZE, out_auth + AUTH_BLOCK_SIGNATURE,
                          error)) {
        g_prefix_error(error, "sign ID block: ");
        return false;
    }
    if (author_key == NULL)
        return true;
    put_u32(out_auth + AUTH_AUTHOR_ALGORITHM, ALGORITHM_P384_SHA384);
    coco_id_key_to_bytes(author_key, out_auth + AUTH_AUTHOR_KEY);
    if (!coco_id_key_sign(author_key, out_auth + AUTH_ID_KEY, COCO_ID_KEY_SIZE,
                          out_auth + AUTH_ID_KEY_SIGNATURE, error)) {
        g_prefix_error(error, "sign ID key: ");
        return false;
    }
    return true;
}

static bool
check_form(const uint8_t *auth, bool *out_has_author, GError **error)
{
    uint32_t id_algorithm = get_u32(auth + AUTH_ID_ALGORITHM);
    uint32_t author_algorithm = get_u32(auth + AUTH_AUTHOR_ALGORITHM);

    if (id_algorithm != ALGORITHM_P384_SHA384 || author_algorithm > ALGORITHM_P384_SHA384)
        return coco_vmm_bad_config(error, "algorithms %u and %u of an ID auth are unknown",
                                   id_algorithm, author_algorithm);
    for (size_t i = 0; i < G_N_ELEMENTS(auth_gaps); i++) {
        if (!is_zero(auth + auth_gaps[i][0], auth_gaps[i][1] - auth_gaps[i][0]))
            return coco_vmm_bad_config(error,
                                       "a reserved byte of the ID auth from %zu to %zu is not zero",
                                       auth_gaps[i][0], auth_gaps[i][1] - 1);
    }
    *out_has_author = author_algorithm != 0;
    return true;
}

bool
coco_id_auth_read(const uint8_t *auth, size_t len, CocoIdKey *out_keys[2], GError **error)
{
    g_autoptr(CocoIdKey) id_key = NULL;
    g_autoptr(CocoIdKey) author_key = NULL;
    bool has_author = false;

    if (len != COCO_ID_AUTH_SIZE)
        return coco_vmm_bad_config(error, "an ID auth has %u bytes and this has %zu",
                                   COCO_ID_AUTH_SIZE, len);
    if (!check_form(auth, &has_author, error))
        return false;
    id_key = coco_id_key_from_bytes(auth + AUTH_ID_KEY, error);
    if (id_key == NULL) {
        g_prefix_error(error, "ID key: ");
        return false;
    }
    if (has_author) {
        author_key = coco_id_key_from_bytes(auth + AUTH_AUTHOR_KEY, error);
        if (author_key == NULL) {
            g_prefix_error(error, "author key: ");
            return false;
        }
    }
    out_keys[0] = g_steal_pointer(&id_key);
    out_keys[1] = g_steal_pointer(&author_key);
    return true;
}

bool
coco_id_auth_check(const uint8_t *block, const uint8_t *auth, size_t auth_len,
                   CocoIdSigners *out_signers, GError **error)
{
    CocoIdKey *keys[2] = { NULL, NULL };
    g_autoptr(CocoIdKey) id_key = NULL;
    g_autoptr(CocoIdKey) author_key = NULL;

    if (!coco_id_auth_read(auth, auth_len, keys, error))
        return false;
    id_key = keys[0];
    author_key = keys[1];
    if (!coco_id_key_verify(id_key, block, COCO_ID_BLOCK_SIZE, auth + AUTH_BLOCK_SIGNATURE))
        return coco_vmm_bad_config(error, "the ID auth's signature is not over this ID block");
    if (author_key != NULL && !coco_id_key_verify(author_key, auth + AUTH_ID_KEY, COCO_ID_KEY_SIZE,
                                                  auth + AUTH_ID_KEY_SIGNATURE))
        return coco_vmm_bad_config(error, "the author's signature is not over this ID key");
    *out_signers = (CocoIdSigners){ .has_author = author_key != NULL };
    coco_id_key_digest(id_key, out_signers->id_key_digest);
    if (author_key != NULL)
        coco_id_key_digest(author_key, out_signers->author_key_digest);
    return true;
}

bool
coco_id_bytes_from_base64(const char *text, uint8_t *out_bytes, size_t size, GError **error)
{
    const size_t encoded = (size + 2) / 3 * 4;
    g_autofree char *stripped = NULL;
    g_autoptr(GBytes) bytes = NULL;

    text += strspn(text, " \t\r\n");
    stripped = g_strchomp(g_strndup(text, encoded + 3));
    if (strlen(stripped) != encoded)
        return coco_vmm_bad_config(error, "%zu characters of base64 (%zu bytes) are needed",
                                   encoded, size);
    bytes = coco_bytes_of_base64(stripped);
    if (bytes == NULL || g_bytes_get_size(bytes) != size)
        return coco_vmm_bad_config(error, "it is not base64 of %zu bytes", size);
    memcpy(out_bytes, g_bytes_get_data(bytes, NULL), size);
    return true;
}

bool
coco_id_bytes_from_hex(const char *text, uint8_t *out_bytes, size_t size, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;

    if (g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X"))
        text += 2;
    bytes = coco_bytes_of_hex(text);
    if (bytes == NULL || g_bytes_get_size(bytes) != size)
        return coco_vmm_bad_config(error, "%zu hexadecimal digits are needed", 2 * size);
    memcpy(out_bytes, g_bytes_get_data(bytes, NULL), size);
    return true;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Builds and seals the table of secrets (sev-secret.h).
 */
#include "vmm/owner/sev-secret.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <uuid/uuid.h>

#include "vmm/config/vmm-error.h"

#define IV_SIZE 16
#define HEAD_SIZE (COCO_SEV_GUID_SIZE + sizeof(uint32_t))
#define TABLE_GUID "1e74f542-71dd-4d66-963e-ef4287ff173b"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

/* The first three fields of a GUID are numbers in little-endian order, the rest are bytes. libuuid
 * has all of them as the text has. */
bool
coco_sev_guid_parse(const char *text, uint8_t *out_guid)
{
    static const uint8_t order[COCO_SEV_GUID_SIZE] = { 3, 2, 1,  0,  5,  4,  7,  6,
                                                       8, 9, 10, 11, 12, 13, 14, 15 };
    uuid_t guid;

    G_STATIC_ASSERT(sizeof guid == COCO_SEV_GUID_SIZE);
    if (uuid_parse(text, guid) != 0)
        return false;
    for (size_t i = 0; i < sizeof guid; i++)
        out_guid[order[i]] = guid[i];
    return true;
}

static void
put_u32(uint8_t *at, size_t value)
{
    uint32_t little = GUINT32_TO_LE((uint32_t) value);

    memcpy(at, &little, sizeof little);
}

static size_t
table_size(const CocoSevSecret *secrets, size_t n_secrets)
{
    size_t size = HEAD_SIZE;

    for (size_t i = 0; i < n_secrets; i++) {
        if (secrets[i].len > COCO_SEV_MAX_SECRET || size > COCO_SEV_MAX_SECRET)
            return SIZE_MAX;
        size += HEAD_SIZE + secrets[i].len;
    }
    return size;
}

/* at: zeros, as many as needed. */
static void
fill_table(uint8_t *at, size_t size, const CocoSevSecret *secrets, size_t n_secrets)
{
    (void) coco_sev_guid_parse(TABLE_GUID, at);
    put_u32(at + COCO_SEV_GUID_SIZE, size);
    at += HEAD_SIZE;
    for (size_t i = 0; i < n_secrets; i++) {
        memcpy(at, secrets[i].guid, COCO_SEV_GUID_SIZE);
        put_u32(at + COCO_SEV_GUID_SIZE, HEAD_SIZE + secrets[i].len);
        memcpy(at + HEAD_SIZE, secrets[i].data, secrets[i].len);
        at += HEAD_SIZE + secrets[i].len;
    }
}

static bool
encrypt(uint8_t *data, size_t len, const uint8_t *tek, const uint8_t *iv)
{
    g_autoptr(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
    int n;

    return EVP_EncryptInit_ex2(context, EVP_aes_128_ctr(), tek, iv, NULL) == 1 &&
           EVP_EncryptUpdate(context, data, &n, data, (int) len) == 1 && (size_t) n == len;
}

static bool
make_header(const uint8_t *blob, size_t len, const uint8_t *tik, const uint8_t *measure,
            const uint8_t *iv, uint8_t *out_header)
{
    g_autoptr(GByteArray) message = g_byte_array_new();
    const uint8_t command = 1;
    uint8_t number[sizeof(uint32_t)] = { 0 };
    unsigned int mac_len;

    memset(out_header, 0, COCO_SEV_HEADER_SIZE);
    memcpy(out_header + sizeof number, iv, IV_SIZE);
    g_byte_array_append(message, &command, 1);
    g_byte_array_append(message, number, sizeof number); /* flags */
    g_byte_array_append(message, iv, IV_SIZE);
    put_u32(number, len);
    g_byte_array_append(message, number, sizeof number);
    g_byte_array_append(message, number, sizeof number);
    g_byte_array_append(message, blob, (unsigned int) len);
    g_byte_array_append(message, measure, COCO_SEV_MEASURE_SIZE);
    return HMAC(EVP_sha256(), tik, COCO_SEV_KEY_SIZE, message->data, message->len,
                out_header + sizeof number + IV_SIZE, &mac_len) != NULL;
}

bool
coco_sev_secret_seal(const CocoSevSecret *secrets, size_t n_secrets, const CocoSevKeys *keys,
                     const uint8_t *measure, const uint8_t *iv, char **out_header,
                     char **out_secret, GError **error)
{
    size_t size = table_size(secrets, n_secrets);
    size_t padded = size <= COCO_SEV_MAX_SECRET ? (size + 15) / 16 * 16 : 0;
    g_autofree uint8_t *table = NULL;
    uint8_t header[COCO_SEV_HEADER_SIZE];
    uint8_t own_iv[IV_SIZE];
    bool sealed;

    if (padded == 0 || padded > COCO_SEV_MAX_SECRET)
        return coco_vmm_bad_config(error, "the secrets have more than %u bytes together",
                                   COCO_SEV_MAX_SECRET);
    table = g_malloc0(padded);
    fill_table(table, size, secrets, n_secrets);
    if (iv != NULL)
        memcpy(own_iv, iv, IV_SIZE);
    sealed = (iv != NULL || RAND_bytes(own_iv, IV_SIZE) == 1) &&
             encrypt(table, padded, keys->tek, own_iv) &&
             make_header(table, padded, keys->tik, measure, own_iv, header);
    if (!sealed) {
        explicit_bzero(table, padded);
        return coco_vmm_failed(error, "seal the secrets: OpenSSL failed");
    }
    *out_header = g_base64_encode(header, sizeof header);
    *out_secret = g_base64_encode(table, padded);
    return true;
}

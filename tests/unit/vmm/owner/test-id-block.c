// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/owner/id-block.c and id-key.c. The vector's block and key digests were made by virtee's
 * sev-snp-measure with the keys below (their public halves); signatures are random, so they are
 * checked and not compared.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "vmm/config/vmm-error.h"
#include "vmm/owner/id-block.h"

#define VECTOR_LAUNCH_DIGEST                                                                       \
    "22d7963585f2c03857f4a580c0b8a2129199795f0bf637f8bbbe7baa693e01765a94d5d0ca05f90128fe08a9e44f" \
    "3e9e"
#define VECTOR_BLOCK                                                                               \
    "IteWNYXywDhX9KWAwLiiEpGZeV8L9jf4u757qmk+AXZalNXQygX5ASj+"                                     \
    "CKnkTz6eAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA"
#define VECTOR_ID_KEY                                                                              \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEsg/RocK9K2UYOnbiOQrIBfbY5eKvcl5a\n"                           \
    "jpPPh+wCn51F6zJrBLkr63FOFPqYb4qaLJSguKswzHY1JnWUSHaJHpVP9u9YJqYj\n"                           \
    "G6bW1/br+2jOMw4eWTlO+3CAiD3caTZL\n"                                                           \
    "-----END PUBLIC KEY-----\n"
#define VECTOR_ID_KEY_DIGEST                                                                       \
    "870b7e35c53f8a72d0d322f75ab2af8262792aaf6579622ce4131c3f21f289e77cb0560a5e3b90b3932e674ec709" \
    "cb14"
#define VECTOR_AUTHOR_KEY                                                                          \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEBoEfxiQJvy2a5RwHQjJU2JPGwj+/Fkrz\n"                           \
    "ODsPgTpifmFo2QZ6f0vZeZBYjBhBEhCgMrQgoiZW0nHc/U4lZoxy/Vi7X2hR/kcv\n"                           \
    "nRYPiAsU30w2IwaJYs3k1gjnNzQtqRLJ\n"                                                           \
    "-----END PUBLIC KEY-----\n"
#define VECTOR_AUTHOR_KEY_DIGEST                                                                   \
    "63111c34bbfc0a4938f9a009bd074980d8172323e61599c9fd336da8673248e1dca98d0be8f76376a106b8afd4c0" \
    "a057"

static CocoIdBlock
vector_block(void)
{
    CocoIdBlock block = { .policy = 0x30000 };

    cr_assert(coco_id_bytes_from_hex(VECTOR_LAUNCH_DIGEST, block.launch_digest,
                                     sizeof block.launch_digest, NULL));
    return block;
}

/* A new private key of the curve, or its public half, in PEM. */
static char *
make_pem(const char *curve, const char *passphrase, bool private)
{
    EVP_PKEY *key = EVP_EC_gen(curve);
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    char *pem;
    long len;

    if (private)
        cr_assert_eq(PEM_write_bio_PrivateKey(bio, key,
                                              passphrase != NULL ? EVP_aes_128_cbc() : NULL,
                                              (const unsigned char *) passphrase,
                                              passphrase != NULL ? 4 : 0, NULL, NULL),
                     1);
    else
        cr_assert_eq(PEM_write_bio_PUBKEY(bio, key), 1);
    len = BIO_get_mem_data(bio, &data);
    pem = g_strndup(data, (size_t) len);
    (void) BIO_free(bio);
    EVP_PKEY_free(key);
    return pem;
}

static CocoIdKey *
make_key(void)
{
    g_autofree char *pem = make_pem("P-384", NULL, true);
    CocoIdKey *key = coco_id_key_from_pem(pem, strlen(pem), NULL);

    cr_assert_not_null(key);
    return key;
}

Test(id_block, the_vector_is_met)
{
    CocoIdBlock block = vector_block();
    CocoIdBlock read;
    uint8_t bytes[COCO_ID_BLOCK_SIZE];
    uint8_t again[COCO_ID_BLOCK_SIZE];
    g_autofree char *text = NULL;

    coco_id_block_to_bytes(&block, bytes);
    text = g_base64_encode(bytes, sizeof bytes);
    cr_assert_str_eq(text, VECTOR_BLOCK);
    cr_assert(coco_id_block_from_bytes(bytes, sizeof bytes, &read, NULL));
    coco_id_block_to_bytes(&read, again); /* the structures themselves have padding */
    cr_assert_arr_eq(again, bytes, sizeof bytes);
}

static void
check_digest(const char *pem, const char *expected)
{
    g_autoptr(CocoIdKey) key = coco_id_key_from_pem(pem, strlen(pem), NULL);
    g_autoptr(CocoIdKey) again = NULL;
    uint8_t digest[COCO_ID_KEY_DIGEST_SIZE];
    uint8_t wanted[COCO_ID_KEY_DIGEST_SIZE];
    uint8_t bytes[COCO_ID_KEY_SIZE];

    cr_assert_not_null(key);
    coco_id_key_digest(key, digest);
    cr_assert(coco_id_bytes_from_hex(expected, wanted, sizeof wanted, NULL));
    cr_assert_eq(memcmp(digest, wanted, sizeof wanted), 0);
    coco_id_key_to_bytes(key, bytes);
    again = coco_id_key_from_bytes(bytes, NULL);
    cr_assert_not_null(again);
    coco_id_key_digest(again, digest);
    cr_assert_eq(memcmp(digest, wanted, sizeof wanted), 0);
}

Test(id_block, key_digests_of_the_vector_are_met)
{
    check_digest(VECTOR_ID_KEY, VECTOR_ID_KEY_DIGEST);
    check_digest(VECTOR_AUTHOR_KEY, VECTOR_AUTHOR_KEY_DIGEST);
}

Test(id_block, fields_stand_where_the_firmware_reads_them)
{
    CocoIdBlock block = vector_block();
    uint8_t bytes[COCO_ID_BLOCK_SIZE];

    memset(block.family_id, 0xfa, sizeof block.family_id);
    memset(block.image_id, 0x1d, sizeof block.image_id);
    block.guest_svn = 0x04030201;
    block.policy = 0x0807060504030201;
    coco_id_block_to_bytes(&block, bytes);
    cr_assert_eq(bytes[47], 0x9e);
    cr_assert(bytes[48] == 0xfa && bytes[63] == 0xfa);
    cr_assert(bytes[64] == 0x1d && bytes[79] == 0x1d);
    cr_assert_eq(memcmp(bytes + 80, "\1\0\0\0\1\2\3\4\1\2\3\4\5\6\7\10", 16), 0);
}

Test(id_block, what_is_signed_checks_with_and_without_author)
{
    g_autoptr(CocoIdKey) id_key = make_key();
    g_autoptr(CocoIdKey) author_key = make_key();
    CocoIdBlock block = vector_block();
    uint8_t digest[COCO_ID_KEY_DIGEST_SIZE];
    uint8_t bytes[COCO_ID_BLOCK_SIZE];
    uint8_t auth[COCO_ID_AUTH_SIZE];
    CocoIdSigners signers;

    coco_id_block_to_bytes(&block, bytes);
    cr_assert(coco_id_auth_make(bytes, id_key, NULL, auth, NULL));
    cr_assert_eq(memcmp(auth, "\1\0\0\0\0\0\0\0", 8), 0);
    cr_assert(coco_id_auth_check(bytes, auth, sizeof auth, &signers, NULL));
    cr_assert_not(signers.has_author);
    coco_id_key_digest(id_key, digest);
    cr_assert_eq(memcmp(signers.id_key_digest, digest, sizeof digest), 0);

    cr_assert(coco_id_auth_make(bytes, id_key, author_key, auth, NULL));
    cr_assert_eq(memcmp(auth, "\1\0\0\0\1\0\0\0", 8), 0);
    cr_assert(coco_id_auth_check(bytes, auth, sizeof auth, &signers, NULL));
    cr_assert(signers.has_author);
    coco_id_key_digest(author_key, digest);
    cr_assert_eq(memcmp(signers.author_key_digest, digest, sizeof digest), 0);
}

/* Offset of a byte to change, and what the check must then say. */
static const struct {
    size_t at;
    const char *message;
} changes[] = {
    { 0, "algorithms 0 and 1 of an ID auth are unknown" },
    { 4, "the author's signature" }, /* see below */
    { 5, "algorithms 1 and 257 of an ID auth are unknown" },
    { 8, "a reserved byte of the ID auth from 8 to 63 is not zero" },
    { 64, "the ID auth's signature is not over this ID block" },
    { 136, "the ID auth's signature is not over this ID block" },
    { 576, "ID key: its curve is not P-384" },
    { 580, "ID key: its point is not on the curve" },
    { 628, "ID key: a coordinate of it is too big" },
    { 724, "ID key: a reserved byte of it is not zero" },
    { 1604, "a reserved byte of the ID auth from 1604 to 1663 is not zero" },
    { 1664, "the author's signature is not over this ID key" },
    { 2176, "author key: its curve is not P-384" },
    { 3204, "a reserved byte of the ID auth from 3204 to 4095 is not zero" },
    { 4095, "a reserved byte of the ID auth from 3204 to 4095 is not zero" },
};

Test(id_block, every_change_of_the_auth_is_found)
{
    g_autoptr(CocoIdKey) id_key = make_key();
    g_autoptr(CocoIdKey) author_key = make_key();
    CocoIdBlock block = vector_block();
    uint8_t bytes[COCO_ID_BLOCK_SIZE];
    uint8_t auth[COCO_ID_AUTH_SIZE];
    CocoIdSigners signers;

    coco_id_block_to_bytes(&block, bytes);
    cr_assert(coco_id_auth_make(bytes, id_key, author_key, auth, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(GError) error = NULL;
        bool good;

        auth[changes[i].at] ^= 1;
        good = coco_id_auth_check(bytes, auth, sizeof auth, &signers, &error);
        auth[changes[i].at] ^= 1;
        if (changes[i].at == 4) { /* the author is not asked: valid, and told so */
            cr_assert(good && !signers.has_author);
            continue;
        }
        cr_assert_not(good, "a change at %zu was not found", changes[i].at);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, changes[i].message);
    }
    bytes[0] ^= 1;
    cr_assert_not(coco_id_auth_check(bytes, auth, sizeof auth, &signers, NULL));
}

Test(id_block, blocks_that_the_firmware_would_refuse_are_refused)
{
    CocoIdBlock block = vector_block();
    uint8_t bytes[COCO_ID_BLOCK_SIZE];
    g_autoptr(GError) version = NULL;
    g_autoptr(GError) policy = NULL;
    g_autoptr(GError) length = NULL;
    g_autoptr(GError) auth_length = NULL;
    CocoIdKey *keys[2];

    coco_id_block_to_bytes(&block, bytes);
    bytes[80] = 2;
    cr_assert_not(coco_id_block_from_bytes(bytes, sizeof bytes, &block, &version));
    cr_assert_str_eq(version->message, "version 2 of an ID block is unknown");
    bytes[80] = 1;
    bytes[90] = 1;
    cr_assert_not(coco_id_block_from_bytes(bytes, sizeof bytes, &block, &policy));
    cr_assert_str_eq(policy->message, "policy 0x10000 has bit 17 clear, which must be 1");
    cr_assert_not(coco_id_block_from_bytes(bytes, 95, &block, &length));
    cr_assert_str_eq(length->message, "an ID block has 96 bytes and this has 95");
    cr_assert_not(coco_id_auth_read(bytes, 96, keys, &auth_length));
    cr_assert_str_eq(auth_length->message, "an ID auth has 4096 bytes and this has 96");
}

static void
refuse_pem(const char *pem, const char *message)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_id_key_from_pem(pem, strlen(pem), &error));
    cr_assert_str_eq(error->message, message);
}

Test(id_block, keys_of_another_kind_are_refused)
{
    g_autofree char *other_curve = make_pem("P-256", NULL, true);
    g_autofree char *locked = make_pem("P-384", "word", true);
    g_autofree char *public_pem = make_pem("P-384", NULL, false);
    g_autofree char *endless = g_strnfill(64 * 1024 + 1, 'x');
    g_autoptr(CocoIdKey) public_key = coco_id_key_from_pem(public_pem, strlen(public_pem), NULL);
    g_autoptr(GError) sign_error = NULL;
    g_autoptr(GError) file_error = NULL;
    uint8_t block[COCO_ID_BLOCK_SIZE] = { 0 };
    uint8_t auth[COCO_ID_AUTH_SIZE];

    refuse_pem("", "it is no key in PEM without a passphrase");
    refuse_pem(locked, "it is no key in PEM without a passphrase");
    refuse_pem(other_curve, "it is no key of the curve P-384 (secp384r1)");
    refuse_pem(endless, "it is too long for a key");
    cr_assert_not_null(public_key);
    cr_assert_not(coco_id_auth_make(block, public_key, NULL, auth, &sign_error));
    cr_assert_str_eq(sign_error->message, "sign ID block: a public key cannot sign");
    cr_assert_null(coco_id_key_load("/not/there.pem", &file_error));
    cr_assert_not_null(strstr(file_error->message, "/not/there.pem"));
}

static void
refuse_text(bool base64, const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    uint8_t bytes[4];

    cr_assert_not(base64 ? coco_id_bytes_from_base64(text, bytes, 4, &error)
                         : coco_id_bytes_from_hex(text, bytes, 4, &error),
                  "'%s' was accepted", text);
    cr_assert_str_eq(error->message, message);
}

Test(id_block, text_forms_are_exact)
{
    uint8_t bytes[4];

    cr_assert(coco_id_bytes_from_hex("0xDEADbeef", bytes, 4, NULL));
    cr_assert_eq(memcmp(bytes, "\xde\xad\xbe\xef", 4), 0);
    cr_assert(coco_id_bytes_from_base64("\n 3q2+7w==\r\n", bytes, 4, NULL));
    cr_assert_eq(memcmp(bytes, "\xde\xad\xbe\xef", 4), 0);
    refuse_text(false, "", "8 hexadecimal digits are needed");
    refuse_text(false, "0xdeadbee", "8 hexadecimal digits are needed");
    refuse_text(false, "deadbeef0", "8 hexadecimal digits are needed");
    refuse_text(false, "deadbeeg", "8 hexadecimal digits are needed");
    refuse_text(true, "", "8 characters of base64 (4 bytes) are needed");
    refuse_text(true, "3q2+7w==x", "8 characters of base64 (4 bytes) are needed");
    refuse_text(true, "3q2+7w", "8 characters of base64 (4 bytes) are needed");
    refuse_text(true, "3q2+7wAA", "it is not base64 of 4 bytes");
    refuse_text(true, "3q2-7w==", "it is not base64 of 4 bytes");
    refuse_text(true, "3q2+7x==", "it is not base64 of 4 bytes");
}

Test(id_block, free_takes_null)
{
    coco_id_key_free(NULL);
}

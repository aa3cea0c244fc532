// SPDX-License-Identifier: Apache-2.0
/*
 * P-384 keys between OpenSSL's form and the firmware's (id-key.h).
 */
#include "vmm/owner/id-key.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "vmm/config/vmm-error.h"

#define CURVE_P384 2u
#define NUMBER_SIZE 72 /* of a coordinate, or of half a signature */
#define P384_SIZE 48
#define X_OFFSET sizeof(uint32_t)
#define Y_OFFSET (X_OFFSET + NUMBER_SIZE)
#define MAX_PEM (64 * 1024)
#define MAX_DER 128 /* of a signature with two numbers of 48 bytes */

/* Foreign types with scope, in this file only. */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIGNUM, BN_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ECDSA_SIG, ECDSA_SIG_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_PARAM, OSSL_PARAM_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)

struct _CocoIdKey {
    EVP_PKEY *pkey;
    bool is_private;
};

static bool
bad_key(GError **error, const char *message)
{
    ERR_clear_error();
    return coco_vmm_bad_config(error, "%s", message);
}

/* pkey: (transfer full) */
static CocoIdKey *
key_new(EVP_PKEY *pkey, bool is_private)
{
    CocoIdKey *key = g_new0(CocoIdKey, 1);

    key->pkey = pkey;
    key->is_private = is_private;
    return key;
}

void
coco_id_key_free(CocoIdKey *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    g_free(key);
}

/* Without this OpenSSL would ask on the terminal. */
static int
on_passphrase_wanted(char *buffer, int size, int writing, void *user_data)
{
    return -1;
}

static EVP_PKEY *
parse_pem(const char *pem, size_t len, bool is_private)
{
    g_autoptr(BIO) bio = BIO_new_mem_buf(pem, (int) len);

    return is_private ? PEM_read_bio_PrivateKey(bio, NULL, on_passphrase_wanted, NULL)
                      : PEM_read_bio_PUBKEY(bio, NULL, on_passphrase_wanted, NULL);
}

static bool
is_p384(const EVP_PKEY *pkey)
{
    char group[32] = "";

    return EVP_PKEY_is_a(pkey, "EC") == 1 &&
           EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
           (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0);
}

CocoIdKey *
coco_id_key_from_pem(const char *pem, size_t len, GError **error)
{
    g_autoptr(EVP_PKEY) pkey = NULL;
    bool is_private = true;

    if (len > MAX_PEM)
        return (void) bad_key(error, "it is too long for a key"), NULL;
    pkey = parse_pem(pem, len, true);
    if (pkey == NULL) {
        is_private = false;
        pkey = parse_pem(pem, len, false);
    }
    if (pkey == NULL)
        return (void) bad_key(error, "it is no key in PEM without a passphrase"), NULL;
    if (!is_p384(pkey))
        return (void) bad_key(error, "it is no key of the curve P-384 (secp384r1)"), NULL;
    ERR_clear_error();
    return key_new(g_steal_pointer(&pkey), is_private);
}

CocoIdKey *
coco_id_key_load(const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *pem = NULL;
    CocoIdKey *key;
    gsize len;

    if (!g_file_get_contents(path, &pem, &len, &failure)) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG, "read key: %s",
                    failure->message);
        return NULL;
    }
    key = coco_id_key_from_pem(pem, len, error);
    OPENSSL_cleanse(pem, len);
    if (key == NULL)
        g_prefix_error(error, "read key '%s': ", path);
    return key;
}

/* The numbers of the firmware are longer than any of this curve: the rest must be zero. */
static bool
read_number(const uint8_t *bytes, uint8_t *out_big_endian)
{
    for (size_t i = P384_SIZE; i < NUMBER_SIZE; i++) {
        if (bytes[i] != 0)
            return false;
    }
    for (size_t i = 0; i < P384_SIZE; i++)
        out_big_endian[P384_SIZE - 1 - i] = bytes[i];
    return true;
}

static EVP_PKEY *
pkey_of_point(const uint8_t *point, size_t len)
{
    g_autoptr(OSSL_PARAM_BLD) builder = OSSL_PARAM_BLD_new();
    g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    g_autoptr(OSSL_PARAM) params = NULL;
    EVP_PKEY *pkey = NULL;

    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "secp384r1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, len) != 1)
        return NULL;
    params = OSSL_PARAM_BLD_to_param(builder);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    return pkey;
}

CocoIdKey *
coco_id_key_from_bytes(const uint8_t *bytes, GError **error)
{
    uint8_t point[1 + 2 * P384_SIZE] = { POINT_CONVERSION_UNCOMPRESSED };
    g_autoptr(EVP_PKEY) pkey = NULL;
    uint32_t curve;

    memcpy(&curve, bytes, sizeof curve);
    if (GUINT32_FROM_LE(curve) != CURVE_P384)
        return (void) bad_key(error, "its curve is not P-384"), NULL;
    for (size_t i = Y_OFFSET + NUMBER_SIZE; i < COCO_ID_KEY_SIZE; i++) {
        if (bytes[i] != 0)
            return (void) bad_key(error, "a reserved byte of it is not zero"), NULL;
    }
    if (!read_number(bytes + X_OFFSET, point + 1) ||
        !read_number(bytes + Y_OFFSET, point + 1 + P384_SIZE))
        return (void) bad_key(error, "a coordinate of it is too big"), NULL;
    pkey = pkey_of_point(point, sizeof point);
    if (pkey == NULL)
        return (void) bad_key(error, "its point is not on the curve"), NULL;
    return key_new(g_steal_pointer(&pkey), false);
}

void
coco_id_key_to_bytes(const CocoIdKey *key, uint8_t *out_bytes)
{
    const uint32_t curve = GUINT32_TO_LE(CURVE_P384);
    BIGNUM *coordinate = NULL;

    memset(out_bytes, 0, COCO_ID_KEY_SIZE);
    memcpy(out_bytes, &curve, sizeof curve);
    if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, &coordinate) == 1)
        (void) BN_bn2lebinpad(coordinate, out_bytes + X_OFFSET, NUMBER_SIZE);
    if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &coordinate) == 1)
        (void) BN_bn2lebinpad(coordinate, out_bytes + Y_OFFSET, NUMBER_SIZE);
    BN_free(coordinate);
}

void
coco_id_key_digest(const CocoIdKey *key, uint8_t *out_digest)
{
    uint8_t bytes[COCO_ID_KEY_SIZE];

    coco_id_key_to_bytes(key, bytes);
    (void) EVP_Digest(bytes, sizeof bytes, out_digest, NULL, EVP_sha384(), NULL);
}

bool
coco_id_key_sign(const CocoIdKey *key, const uint8_t *data, size_t len, uint8_t *out_signature,
                 GError **error)
{
    g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
    g_autoptr(ECDSA_SIG) signature = NULL;
    uint8_t der[MAX_DER];
    const uint8_t *at = der;
    size_t der_len = sizeof der;

    if (!key->is_private)
        return bad_key(error, "a public key cannot sign");
    if (EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key->pkey) != 1 ||
        EVP_DigestSign(context, der, &der_len, data, len) != 1)
        return bad_key(error, "the key does not sign");
    signature = d2i_ECDSA_SIG(NULL, &at, (long) der_len);
    memset(out_signature, 0, COCO_ID_SIGNATURE_SIZE);
    if (signature == NULL ||
        BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), out_signature, NUMBER_SIZE) < 0 ||
        BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), out_signature + NUMBER_SIZE, NUMBER_SIZE) < 0)
        return bad_key(error, "the signature has an unknown form");
    return true;
}

bool
coco_id_key_verify(const CocoIdKey *key, const uint8_t *data, size_t len, const uint8_t *signature)
{
    g_autoptr(BIGNUM) r = BN_lebin2bn(signature, NUMBER_SIZE, NULL);
    g_autoptr(BIGNUM) s = BN_lebin2bn(signature + NUMBER_SIZE, NUMBER_SIZE, NULL);
    g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
    g_autoptr(ECDSA_SIG) numbers = ECDSA_SIG_new();
    uint8_t *der = NULL;
    int der_len;
    bool good;

    if (ECDSA_SIG_set0(numbers, r, s) != 1)
        return false;
    (void) g_steal_pointer(&r);
    (void) g_steal_pointer(&s);
    der_len = i2d_ECDSA_SIG(numbers, &der);
    good = der_len > 0 && EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, key->pkey) == 1 &&
           EVP_DigestVerify(context, der, (size_t) der_len, data, len) == 1;
    OPENSSL_free(der);
    ERR_clear_error();
    return good;
}

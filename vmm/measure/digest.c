// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL's EVP digests behind digest.h. The algorithm is fetched once: fetching for each of ten
 * thousand pages costs more than hashing them.
 */
#include "vmm/measure/digest.h"

#include <string.h>

#include <openssl/evp.h>

#include "vmm/config/vmm-error.h"

struct _CocoHash {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
    bool failed;
};

static const char *const names[] = {
    [COCO_HASH_SHA256] = "SHA2-256",
    [COCO_HASH_SHA384] = "SHA2-384",
    [COCO_HASH_SHA512] = "SHA2-512",
};
G_STATIC_ASSERT(G_N_ELEMENTS(names) == COCO_N_HASHES);
G_STATIC_ASSERT(COCO_MEASURE_MAX_DIGEST >= 64);

static bool
fail(GError **error)
{
    return coco_vmm_failed(error, "hash: OpenSSL has no such algorithm, or no memory");
}

CocoHash *
coco_hash_new(CocoHashKind kind, GError **error)
{
    g_autoptr(CocoHash) hash = g_new0(CocoHash, 1);

    hash->algorithm = EVP_MD_fetch(NULL, names[kind], NULL);
    hash->context = EVP_MD_CTX_new();
    if (hash->algorithm == NULL || hash->context == NULL ||
        EVP_DigestInit_ex2(hash->context, hash->algorithm, NULL) != 1)
        return fail(error), NULL;
    return g_steal_pointer(&hash);
}

void
coco_hash_free(CocoHash *hash)
{
    if (hash == NULL)
        return;
    EVP_MD_CTX_free(hash->context);
    EVP_MD_free(hash->algorithm);
    g_free(hash);
}

void
coco_hash_update(CocoHash *hash, const void *data, size_t len)
{
    if (len > 0 && EVP_DigestUpdate(hash->context, data, len) != 1)
        hash->failed = true;
}

bool
coco_hash_peek(const CocoHash *hash, CocoDigest *out, GError **error)
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    unsigned int len = 0;
    bool done = copy != NULL && !hash->failed && EVP_MD_CTX_copy_ex(copy, hash->context) == 1 &&
                EVP_DigestFinal_ex(copy, out->bytes, &len) == 1;

    EVP_MD_CTX_free(copy);
    if (!done)
        return fail(error);
    out->len = len;
    return true;
}

bool
coco_hash_finish(CocoHash *hash, CocoDigest *out, GError **error)
{
    unsigned int len = 0;

    if (hash->failed || EVP_DigestFinal_ex(hash->context, out->bytes, &len) != 1 ||
        EVP_DigestInit_ex2(hash->context, NULL, NULL) != 1)
        return fail(error);
    out->len = len;
    return true;
}

bool
coco_hash_once(CocoHash *hash, const void *data, size_t len, CocoDigest *out, GError **error)
{
    coco_hash_update(hash, data, len);
    return coco_hash_finish(hash, out, error);
}

bool
coco_hash_extend(CocoHash *hash, const CocoDigest *event, CocoDigest *value, GError **error)
{
    static const uint8_t zero[COCO_MEASURE_MAX_DIGEST];

    coco_hash_update(hash, value->len > 0 ? value->bytes : zero, event->len);
    coco_hash_update(hash, event->bytes, event->len);
    return coco_hash_finish(hash, value, error);
}

void
coco_measure_tell(const CocoMeasureTrace *trace, const char *value, const char *label, uint64_t gpa,
                  uint64_t bytes, const CocoDigest *event, const CocoDigest *so_far)
{
    CocoMeasureStep step = { value, label, gpa != UINT64_MAX, gpa, bytes, event, so_far };

    if (trace != NULL)
        trace->step(&step, trace->user_data);
}

void
coco_measure_state(CocoMeasurement *out, const char *about, const char *text)
{
    g_return_if_fail(out->n_statements < G_N_ELEMENTS(out->statements));
    out->statements[out->n_statements++] = (CocoMeasureStatement){ about, text };
}

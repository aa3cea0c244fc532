// SPDX-License-Identifier: Apache-2.0
/*
 * An ECDSA P-384 key in the form that the SNP firmware knows: 1028 bytes with curve and
 * coordinates, signatures of 512 bytes, numbers little-endian in 72 bytes.
 *
 * Facts: AMD SEV-SNP firmware ABI (56860), chapter 10. The signature is over SHA-384.
 *
 * Ownership: a key owns its OpenSSL object.
 * Thread: any, one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#define COCO_ID_KEY_SIZE 1028u
#define COCO_ID_KEY_DIGEST_SIZE 48u
#define COCO_ID_SIGNATURE_SIZE 512u

typedef struct _CocoIdKey CocoIdKey;

/* A private or public key of P-384 in PEM, without a passphrase; BAD_CONFIG (transfer full). */
CocoIdKey *coco_id_key_load(const char *path, GError **error);
CocoIdKey *coco_id_key_from_pem(const char *pem, size_t len, GError **error);

/* A public key from the firmware's form; BAD_CONFIG when it is none or its point is not on the
 * curve (transfer full). */
CocoIdKey *coco_id_key_from_bytes(const uint8_t *bytes, GError **error);

void coco_id_key_free(CocoIdKey *key); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoIdKey, coco_id_key_free)

/* The public key in the firmware's form, COCO_ID_KEY_SIZE bytes. */
void coco_id_key_to_bytes(const CocoIdKey *key, uint8_t *out_bytes);

/* What a report calls ID_KEY_DIGEST or AUTHOR_KEY_DIGEST: sha384 of the firmware's form. */
void coco_id_key_digest(const CocoIdKey *key, uint8_t *out_digest);

/* Fails for a public key. out_signature: COCO_ID_SIGNATURE_SIZE bytes. */
bool coco_id_key_sign(const CocoIdKey *key, const uint8_t *data, size_t len, uint8_t *out_signature,
                      GError **error);

/* True when signature is this key's over data. */
bool coco_id_key_verify(const CocoIdKey *key, const uint8_t *data, size_t len,
                        const uint8_t *signature);

// SPDX-License-Identifier: Apache-2.0
/*
 * The ID block of SNP, with which an owner signs which guest may be launched under a name, and the
 * ID authentication information that proves it. The firmware refuses a launch whose digest or
 * policy is another one; reports then name the keys.
 *
 *   ID block   launch digest 48, family id 16, image id 16, version 4 (= 1), guest SVN 4, policy 8
 *   ID auth    algorithms of id key and author key 4 + 4 (1 = P-384 with SHA-384, 0 = no author),
 *              56 zero, signature of the block 512, id key 1028, 60 zero,
 *              author's signature of the id key 512, author key 1028, 892 zero; little-endian
 *
 * Facts: AMD SEV-SNP firmware ABI (56860), SNP_LAUNCH_FINISH; measurement vectors.
 * Ownership: everything is copied.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "vmm/owner/id-key.h"

#define COCO_ID_BLOCK_SIZE 96u
#define COCO_ID_AUTH_SIZE 4096u
#define COCO_ID_LAUNCH_DIGEST_SIZE 48u
#define COCO_ID_NAME_SIZE 16u

typedef struct {
    uint8_t launch_digest[COCO_ID_LAUNCH_DIGEST_SIZE];
    uint8_t family_id[COCO_ID_NAME_SIZE];
    uint8_t image_id[COCO_ID_NAME_SIZE];
    uint32_t guest_svn;
    uint64_t policy;
} CocoIdBlock;

/* What an ID auth says: who signed. */
typedef struct {
    bool has_author;
    uint8_t id_key_digest[COCO_ID_KEY_DIGEST_SIZE];
    uint8_t author_key_digest[COCO_ID_KEY_DIGEST_SIZE]; /* zero without an author */
} CocoIdSigners;

/* out_bytes: COCO_ID_BLOCK_SIZE. */
void coco_id_block_to_bytes(const CocoIdBlock *block, uint8_t *out_bytes);

/* BAD_CONFIG when the bytes are no ID block. */
bool coco_id_block_from_bytes(const uint8_t *bytes, size_t len, CocoIdBlock *out_block,
                              GError **error);

/* Signs the block with id_key, and that key with author_key (nullable).
 * block: COCO_ID_BLOCK_SIZE, out_auth: COCO_ID_AUTH_SIZE bytes. */
bool coco_id_auth_make(const uint8_t *block, const CocoIdKey *id_key, const CocoIdKey *author_key,
                       uint8_t *out_auth, GError **error);

/* Checks form and keys but no signature; out_keys (transfer full): id key, author key or NULL. */
bool coco_id_auth_read(const uint8_t *auth, size_t len, CocoIdKey *out_keys[2], GError **error);

/* The whole check that the firmware makes: form, keys, signatures. block: COCO_ID_BLOCK_SIZE. */
bool coco_id_auth_check(const uint8_t *block, const uint8_t *auth, size_t auth_len,
                        CocoIdSigners *out_signers, GError **error);

/* Exactly size bytes from base64 (blanks and line ends around it do not count) or hex text (with or
 * without 0x); the message says what is wrong and of what length it should be. */
bool coco_id_bytes_from_base64(const char *text, uint8_t *out_bytes, size_t size, GError **error);
bool coco_id_bytes_from_hex(const char *text, uint8_t *out_bytes, size_t size, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * Hashing with OpenSSL: over pieces, over one piece, and the "extend" of a register.
 *
 * A CocoHash has one algorithm for life and is used again after each finish. A failure of OpenSSL
 * (no memory, a crypto policy that forbids an algorithm) is remembered and told by the next finish,
 * so that updates need no check.
 *
 * Ownership: coco_hash_new() (transfer full).
 * Thread: one at a time for each object.
 */
#pragma once

#include "vmm/measure/measurement.h"

typedef enum {
    COCO_HASH_SHA256,
    COCO_HASH_SHA384,
    COCO_HASH_SHA512,
    COCO_N_HASHES,
} CocoHashKind;

typedef struct _CocoHash CocoHash;

CocoHash *coco_hash_new(CocoHashKind kind, GError **error);
void coco_hash_free(CocoHash *hash); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoHash, coco_hash_free)

void coco_hash_update(CocoHash *hash, const void *data, size_t len);

/* The digest so far; more may follow. */
bool coco_hash_peek(const CocoHash *hash, CocoDigest *out, GError **error);

/* The digest; the next update starts a new one. */
bool coco_hash_finish(CocoHash *hash, CocoDigest *out, GError **error);

/* The digest of one piece, between two others. */
bool coco_hash_once(CocoHash *hash, const void *data, size_t len, CocoDigest *out, GError **error);

/* value = H(value || event); an absent value is zero. */
bool coco_hash_extend(CocoHash *hash, const CocoDigest *event, CocoDigest *value, GError **error);

/* Calls the trace (nullable). gpa is UINT64_MAX where there is none. */
void coco_measure_tell(const CocoMeasureTrace *trace, const char *value, const char *label,
                       uint64_t gpa, uint64_t bytes, const CocoDigest *event,
                       const CocoDigest *so_far);

/* Adds a statement; texts are static. */
void coco_measure_state(CocoMeasurement *out, const char *about, const char *text);

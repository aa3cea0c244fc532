// SPDX-License-Identifier: Apache-2.0
/*
 * The chain of hashes of a realm's initial measurement, one function for each kind of call that the
 * VMM makes to the RMM before the realm runs.
 *
 * Facts: Arm DEN0137 (Realm Management Monitor 1.0), RMI_REALM_CREATE, RMI_RTT_INIT_RIPAS,
 * RMI_DATA_CREATE, RMI_REC_CREATE.
 *
 * Ownership: coco_realm_chain_new() (transfer full); what is added is borrowed for the call.
 * Thread: one at a time for each object.
 */
#pragma once

#include "vmm/measure/digest.h"

typedef struct _CocoRealmChain CocoRealmChain;

/* Starts with the parameters of the realm, which the caller has checked. */
CocoRealmChain *coco_realm_chain_new(const CocoMeasureCca *cca, const CocoMeasureTrace *trace,
                                     GError **error);
void coco_realm_chain_free(CocoRealmChain *chain); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoRealmChain, coco_realm_chain_free)

/* RAM in [base, top), by the largest blocks of the translation table that fit. */
bool coco_realm_chain_add_ram(CocoRealmChain *chain, uint64_t base, uint64_t top, GError **error);

/* Bytes at a page's address; the last page is filled up with zeros. */
bool coco_realm_chain_add_data(CocoRealmChain *chain, const char *label, uint64_t gpa,
                               const uint8_t *data, size_t len, GError **error);

/* The vCPU that runs first. */
bool coco_realm_chain_add_vcpu(CocoRealmChain *chain, uint64_t pc, uint64_t x0, GError **error);

void coco_realm_chain_value(const CocoRealmChain *chain, CocoDigest *out);

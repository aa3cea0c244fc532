// SPDX-License-Identifier: Apache-2.0
/*
 * [sgx] epc_mib: the sections of SGX enclave page cache of a VM.
 *
 * Ownership: sections are values.
 * Thread: any.
 */
#pragma once

#include "vmm/config/config.h"

/* As many as QEMU takes, and far more than a machine has. */
#define COCO_SGX_EPC_MAX 8

typedef struct {
    unsigned int size_mib;
    unsigned int node; /* of the host */
} CocoSgxEpc;

typedef struct {
    CocoSgxEpc sections[COCO_SGX_EPC_MAX];
    size_t n;
    guint64 total_mib;
} CocoSgxEpcs;

/* Reads "SIZE[:NODE],…"; out_epcs is nullable. BAD_CONFIG. */
bool coco_sgx_epc_parse(const CocoVmConfig *config, CocoSgxEpcs *out_epcs, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * Launch measurement: what the TEE's hardware will say of a VM, computed beforehand from the same
 * bytes that are launched, on any machine.
 *
 * There is no I/O here: the caller hands in the bytes (a GMappedFile's GBytes is never copied) and
 * gets digests. What the bytes say of themselves (firmware metadata, PE and Secure Execution
 * headers) is untrusted and bounded by the limits of measurement.h.
 *
 * Facts: AMD's SEV API and SEV-SNP ABI specifications, Intel's TDX module specification, OVMF's
 * ResetVector, Linux' EFI stub, IBM's Secure Execution image format, Arm's RMM 1.0.
 * docs/measurement.md says how to recompute each value by hand.
 *
 * Ownership: inputs are borrowed for the call; a CocoMeasurement owns nothing.
 * Thread: any; nothing is shared between calls.
 * Errors: COCO_VMM_ERROR_BAD_CONFIG, for what is missing or wrong in an input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "vmm/measure/measurement.h"

/* Fails for a TEE that measures nothing at a launch. */
bool coco_measure_supports(CocoTee tee, GError **error);

/* Computes everything that the input determines; trace is nullable and called in order. */
bool coco_measure(const CocoMeasureInput *input, const CocoMeasureTrace *trace,
                  CocoMeasurement *out, GError **error);

/*
 * The CPUID signature (leaf 1, EAX) of a CPU: a QEMU model ("EPYC", "EPYC-v4", "EPYC-Milan", …),
 * "FAMILY:MODEL:STEPPING" in decimal, or the signature itself ("0xa00f11").
 */
bool coco_cpu_signature(const char *cpu, uint32_t *out_signature, GError **error);

/* digest cut to len or zero-padded at its end, as the host puts it into HOST_DATA or MRCONFIGID. */
void coco_measure_fit(const uint8_t *digest, size_t digest_len, size_t len, CocoDigest *out);

/*
 * The measurement that SEV firmware gives for a launch digest (32 bytes): an HMAC with the
 * guest owner's integrity key (tik, 16 bytes) and the firmware's nonce (16 bytes).
 */
typedef struct {
    uint8_t api_major;
    uint8_t api_minor;
    uint8_t build;
    uint32_t policy;
} CocoSevFirmware;

bool coco_sev_launch_hmac(const CocoSevFirmware *firmware, const CocoDigest *launch_digest,
                          const uint8_t tik[16], const uint8_t nonce[16], CocoDigest *out,
                          GError **error);

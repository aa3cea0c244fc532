// SPDX-License-Identifier: Apache-2.0
/*
 * The Authenticode digest of a PE image: of all its bytes but the checksum and the signatures. The
 * firmware measures with it what it starts.
 *
 * Facts: Microsoft's "Windows Authenticode Portable Executable Signature Format"; edk2
 * SecurityPkg/Tcg (how sections are ordered and what follows them).
 *
 * Ownership: everything is borrowed.
 * Thread: any.
 */
#pragma once

#include "vmm/measure/digest.h"

#define COCO_PE_MAX_SECTIONS 96u

/* The image is untrusted; errors begin with "kernel: ". */
bool coco_pe_authenticode(CocoHash *hash, const uint8_t *image, size_t len, CocoDigest *out,
                          GError **error);

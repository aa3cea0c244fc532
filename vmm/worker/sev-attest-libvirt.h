// SPDX-License-Identifier: Apache-2.0
/*
 * Pre-attestation with libvirt: part of coco-vmm-libvirt alone, since nothing else links libvirt.
 *
 * Ownership: everything is borrowed.
 * Thread: the worker's.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

#include "vmm/config/config.h"

typedef struct {
    CocoTee tee; /* COCO_TEE_SEV or COCO_TEE_SEV_ES */
    unsigned int policy;
    const char *hook; /* an absolute path or a URL */
    unsigned int timeout_s;
} CocoSevAttestOptions;

/* Asks on the measurement of a paused guest and injects its secret; true when it may be resumed,
 * and that is all that makes it so. The guest is still paused either way. */
bool coco_sev_attest_run(virDomain *domain, const CocoSevAttestOptions *options, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * The launch policy of SEV, SEV-ES and SEV-SNP guests and the attributes of TDX guests: what the
 * config says by name and as one number, brought together.
 *
 * Facts: AMD SEV API (publication 55766) §3, SEV-SNP firmware ABI (56860) §4.3, Intel TDX module
 * ABI, "ATTRIBUTES".
 *
 * Ownership: nothing is owned.
 * Thread: any.
 */
#pragma once

#include <libxml/xmlwriter.h>

#include "vmm/config/config.h"

/* Fails when a bit is impossible, or when the number and a name that was given disagree. */
bool coco_tee_policy_check(const CocoVmConfig *config, GError **error);

/* Fails when the host may read the guest's memory, unless [debug] allows it. */
bool coco_tee_policy_check_debug(const CocoVmConfig *config, GError **error);

/* The policy of a checked config; 0 for a TEE that has none. */
guint64 coco_tee_policy(const CocoVmConfig *config);

/* Writes it as <policy>, with all digits of its width. */
void coco_tee_policy_write(xmlTextWriter *w, const CocoVmConfig *config);

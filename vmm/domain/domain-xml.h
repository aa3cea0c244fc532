// SPDX-License-Identifier: Apache-2.0
/*
 * The libvirt domain of a pod's VM: a pure function of config and resolved facts, so golden files
 * can pin it.
 *
 * Ownership: as each says.
 * Thread: any.
 */
#pragma once

#include "vmm/tee/domain-facts.h"

/* The tag by which the guest mounts the shared directory. */
#define COCO_SHARE_TAG "kataShared"

/* The document (transfer full). Cannot fail: what comes from outside was checked when it was
 * loaded. */
char *coco_domain_xml(const CocoVmConfig *config, const CocoDomainFacts *facts);

/* The kernel command line, as it stands in the document (transfer full). */
char *coco_domain_cmdline(const CocoVmConfig *config, CocoAccel accel);

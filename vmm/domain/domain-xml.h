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
char *coco_domain_xml(const CocoDomainFacts *facts);

/* A spec with what the config says, the kernel's whole command line included. The config is
 * borrowed for the spec's life; out_spec: (transfer full). */
void coco_domain_spec_init(CocoVmSpec *out_spec, const CocoVmConfig *config, CocoAccel accel,
                           CocoTransport transport);

// SPDX-License-Identifier: Apache-2.0
/*
 * Whether this host can launch what a config asks for: everything that a launch would find missing,
 * at once and with the way to mend it. Nothing is started or changed.
 *
 * Ownership: findings belong to their list (tee-probe.h).
 * Thread: one; it runs QEMU and the libvirt worker for their versions.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/tee/tee-probe.h"

/* Adds a finding for each requirement, met or not. */
void coco_host_check(const CocoVmConfig *config, CocoFindings *findings);

/* True when none is unmet. */
bool coco_findings_ok(const CocoFindings *findings);

// SPDX-License-Identifier: Apache-2.0
/*
 * Whether the processor's firmware will accept the ID block of a launch: it refuses a guest whose
 * measurement or policy is another, or whose signatures are wrong, with a number, after QEMU has
 * started. Here the same is told before, by the name of the key.
 *
 * Ownership: everything is borrowed.
 * Thread: any.
 */
#pragma once

#include "vmm/measure/measurement.h"
#include "vmm/tee/boot-files.h"

/* True without an ID block; else BAD_CONFIG unless it is for this measurement and policy, and
 * id_auth for it. */
bool coco_id_block_check(const CocoVmConfig *config, const CocoBootFiles *boot,
                         const CocoMeasurement *measurement, GError **error);

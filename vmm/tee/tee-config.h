// SPDX-License-Identifier: Apache-2.0
/*
 * A config as a launch takes it: read (vmm/config/config.h), with the defaults of its TEE, and
 * checked against what the TEE allows.
 *
 * Ownership: see config.h.
 * Thread: as config.h.
 */
#pragma once

#include "vmm/config/config.h"

/* Both as coco_vm_config_read() and coco_vm_config_read_text() (transfer full). */
CocoVmConfig *coco_tee_config_load(const char *file, const char *const *overrides, GError **error);

/* The same for a pod that has these annotations in a file (vmm/config/annotations.h; nullable). */
CocoVmConfig *coco_tee_config_load_for_pod(const char *file, const char *const *overrides,
                                           const char *annotations, GError **error);

CocoVmConfig *coco_tee_config_parse(const char *name, const char *text, size_t len,
                                    const char *const *overrides, GError **error);

/* BAD_CONFIG unless the config's TEE is each of those that whoever starts the VM insists on. words:
 * nullable array of names. */
bool coco_tee_config_require(const CocoVmConfig *config, const char *const *words, GError **error);

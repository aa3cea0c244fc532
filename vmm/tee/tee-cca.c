// SPDX-License-Identifier: Apache-2.0
/*
 * tee = cca: an Arm CCA realm. No release of libvirt or QEMU can launch one yet, so there are only
 * its config and its measurement; the probe says what is missing (tee-probe.c).
 */
#include "vmm/tee/tee.h"

static const CocoTeeDefault defaults[] = {
    { COCO_KEY_VM_MACHINE, "virt" },
    { COCO_KEY_VM_MEMORY_MIB, COCO_TEE_MEMORY_MIB },
    { COCO_KEY_GUEST_ROOTFS, "guest-pull" },
    { COCO_KEY_GUEST_AGENT_TIMEOUT_S, COCO_TEE_AGENT_TIMEOUT_S },
    { COCO_KEY_HOST_QEMU, "/usr/bin/qemu-system-aarch64" },
    { COCO_KEY_HOST_BOOT_FILES, "copy" },
    { 0 },
};

const struct CocoTeeOps coco_tee_cca = {
    .tee = COCO_TEE_CCA,
    .group = "cca",
    .arch = "aarch64",
    .machine = "virt", /* and no version of libvirt or QEMU: min_libvirt and min_qemu are 0 */
    .defaults = defaults,
    .host_data_key = COCO_KEY_CCA_PERSONALIZATION_VALUE,
    .host_data_size = 64,
};

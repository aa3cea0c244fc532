// SPDX-License-Identifier: Apache-2.0
/*
 * tee = none: an ordinary VM. It isolates the host from the workload and gives the workload no
 * protection from the host; everything else is built as for the real ones.
 */
#include "vmm/tee/tee.h"

static const CocoTeeDefault defaults[] = {
    { COCO_KEY_GUEST_ROOTFS, "virtiofs" },
    { COCO_KEY_HOST_BOOT_FILES, "shared" },
    { 0 },
};

const struct CocoTeeOps coco_tee_none = {
    .tee = COCO_TEE_NONE,
    .min_libvirt = COCO_VERSION_OF(9, 0, 0),
    .min_qemu = COCO_VERSION_OF(7, 0, 0),
    .defaults = defaults,
    .host_data_key = COCO_N_KEYS,
    .cmdline_key = COCO_N_KEYS,
};

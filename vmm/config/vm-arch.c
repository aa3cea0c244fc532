// SPDX-License-Identifier: Apache-2.0
/*
 * By the names of machines that config.c lets through (vm-arch.h).
 */
#include "vmm/config/vm-arch.h"

CocoArch
coco_vm_arch(const CocoVmConfig *config)
{
    const char *machine = coco_vm_config_string(config, COCO_KEY_VM_MACHINE);

    if (g_str_has_prefix(machine, "virt"))
        return COCO_ARCH_AARCH64;
    return g_str_has_prefix(machine, "s390-") ? COCO_ARCH_S390X : COCO_ARCH_X86_64;
}

const char *
coco_arch_name(CocoArch arch)
{
    static const char *const names[] = { "x86_64", "aarch64", "s390x" };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == COCO_N_ARCHS);
    return names[arch];
}

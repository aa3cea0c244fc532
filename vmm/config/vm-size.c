// SPDX-License-Identifier: Apache-2.0
/*
 * Adds and bounds (vm-size.h).
 */
#include "vmm/config/vm-size.h"

#include <stdint.h>
#include <unistd.h>

#include "vmm/config/vm-arch.h"
#include "vmm/config/vmm-error.h"

/* Some 200 KiB each, used or not. */
#define MORE_VCPUS 8u

CocoVmSize
coco_vm_size_of_host(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t pages = (uint64_t) MAX(sysconf(_SC_PHYS_PAGES), 0);
    uint64_t bytes = pages * (uint64_t) MAX(sysconf(_SC_PAGESIZE), 0);

    return (CocoVmSize){ .vcpus = (unsigned int) CLAMP(cpus, 1, INT32_MAX),
                         .memory_mib = (unsigned int) MIN(bytes >> 20, UINT32_MAX) };
}

static bool
check_bound(CocoKey bound, CocoKey own, const CocoVmConfig *config, GError **error)
{
    if (coco_vm_config_number(config, bound) == 0 ||
        coco_vm_config_number(config, bound) >= coco_vm_config_number(config, own))
        return true;
    return coco_vm_config_error(config, bound, error, "%u is less than the %u of the VM itself",
                                coco_vm_config_number(config, bound),
                                coco_vm_config_number(config, own));
}

bool
coco_vm_size_check(const CocoVmConfig *config, GError **error)
{
    return check_bound(COCO_KEY_VM_MAX_VCPUS, COCO_KEY_VM_VCPUS, config, error) &&
           check_bound(COCO_KEY_VM_MAX_MEMORY_MIB, COCO_KEY_VM_MEMORY_MIB, config, error);
}

unsigned int
coco_vm_size_max_vcpus(const CocoVmConfig *config, CocoVmSize host)
{
    unsigned int bound = coco_vm_config_number(config, COCO_KEY_VM_MAX_VCPUS);

    return MAX(coco_vm_config_number(config, COCO_KEY_VM_VCPUS), bound > 0 ? bound : host.vcpus);
}

bool
coco_vm_size_resolve(const CocoVmConfig *config, CocoVmSize pod, CocoVmSize host,
                     CocoVmSize *out_size, GError **error)
{
    unsigned int own_vcpus = coco_vm_config_number(config, COCO_KEY_VM_VCPUS);
    unsigned int own_mib = coco_vm_config_number(config, COCO_KEY_VM_MEMORY_MIB);
    unsigned int max_mib = coco_vm_config_number(config, COCO_KEY_VM_MAX_MEMORY_MIB);
    uint64_t vcpus = (uint64_t) own_vcpus + pod.vcpus;
    uint64_t mib = (uint64_t) own_mib + pod.memory_mib;

    if (max_mib > 0 && mib > max_mib)
        return coco_vm_config_error(config, COCO_KEY_VM_MAX_MEMORY_MIB, error,
                                    "it is %u, and the pod's limit of %u MiB and the VM's own %u "
                                    "MiB are more",
                                    max_mib, pod.memory_mib, own_mib);
    *out_size = (CocoVmSize){
        .vcpus = (unsigned int) MIN(vcpus, coco_vm_size_max_vcpus(config, host)),
        .memory_mib =
            (unsigned int) MIN(mib, MAX(own_mib, max_mib > 0 ? max_mib : host.memory_mib)),
    };
    return true;
}

/* A size is given back in blocks: not where pages are larger, nor where they must stay. */
static bool
takes_memory(const CocoVmConfig *config)
{
    return coco_vm_config_choice(config, COCO_KEY_MEMORY_HUGEPAGES) == COCO_HUGEPAGES_NONE &&
           !coco_vm_config_bool(config, COCO_KEY_MEMORY_LOCKED);
}

CocoVmSize
coco_vm_size_room(const CocoVmConfig *config, CocoVmSize size, CocoVmSize host)
{
    unsigned int max_vcpus = coco_vm_config_number(config, COCO_KEY_VM_MAX_VCPUS);
    unsigned int max_mib = coco_vm_config_number(config, COCO_KEY_VM_MAX_MEMORY_MIB);

    if (coco_vm_config_choice(config, COCO_KEY_VM_TEE) != COCO_TEE_NONE ||
        coco_vm_arch(config) != COCO_ARCH_X86_64)
        return size;
    if (max_vcpus == 0)
        max_vcpus = MIN(host.vcpus, size.vcpus + MORE_VCPUS);
    if (max_mib == 0)
        max_mib = host.memory_mib;
    return (CocoVmSize){
        .vcpus = MAX(size.vcpus, max_vcpus),
        .memory_mib = takes_memory(config) ? MAX(size.memory_mib, max_mib) : size.memory_mib,
    };
}

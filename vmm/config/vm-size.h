// SPDX-License-Identifier: Apache-2.0
/*
 * How many CPUs and how much memory a VM gets: what the config has for the VM itself, and the pod's
 * limits on top.
 *
 *     vcpus      [vm] vcpus + the pod's, at most max_vcpus, or what the host has
 *     memory_mib [vm] memory_mib + the pod's; more than max_memory_mib is refused; without one, at
 *                most what the host has
 *
 * CPU time that is not there makes a pod slow, so it gets what may be had; memory that is not there
 * kills it, so whoever set a bound is told. A limit beyond the host's memory is none, as with runc.
 *
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include "vmm/config/config.h"

typedef struct {
    unsigned int vcpus;
    unsigned int memory_mib;
} CocoVmSize;

/* Of this machine: CPUs online, memory in all. */
CocoVmSize coco_vm_size_of_host(void);

/* How many a VM can have, whatever its pod. */
unsigned int coco_vm_size_max_vcpus(const CocoVmConfig *config, CocoVmSize host);

/* FALSE with BAD_CONFIG where a bound is below what the VM itself has: part of loading a config. */
bool coco_vm_size_check(const CocoVmConfig *config, GError **error);

/* pod: its limits, 0 where it has none. FALSE with BAD_CONFIG. */
bool coco_vm_size_resolve(const CocoVmConfig *config, CocoVmSize pod, CocoVmSize host,
                          CocoVmSize *out_size, GError **error);

/* To what a VM that is so large may grow while it runs: to the bounds of the config or the host,
 * but without max_vcpus to few more CPUs, since the guest's kernel keeps memory for each that could
 * be. A VM with a TEE stays as it was launched. */
CocoVmSize coco_vm_size_room(const CocoVmConfig *config, CocoVmSize size, CocoVmSize host);

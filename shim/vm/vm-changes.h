// SPDX-License-Identifier: Apache-2.0
/*
 * What a pod's VM gets while it runs: disks, the root file systems of its further containers, and
 * interfaces. One launcher at a time, in the order of the calls, since one process has libvirt's
 * root of a VM.
 *
 * Ownership: the caller owns the object; dir, signals and vm outlive it.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "shim/vm/launcher.h"
#include "shim/vm/pod-vm.h"

typedef struct _CocoVmChanges CocoVmChanges;

/* places: where the guest has them, in their order (transfer none); NULL with error. */
typedef void (*CocoVmChangesFunc)(char *const *places, const GError *error, void *user_data);

CocoVmChanges *coco_vm_changes_new(const CocoPodDir *dir, CocoSignals *signals, CocoPodVm *vm);

/* What is under way is called off, and nobody is told. */
void coco_vm_changes_free(CocoVmChanges *changes);

/* Keeps room for n more, if there is; to be given back, or used by one attach. */
bool coco_vm_changes_reserve(CocoVmChanges *changes, size_t n);
void coco_vm_changes_release(CocoVmChanges *changes, size_t n);

/* All or none, in room that was reserved for them; func runs once, never in this call. The VM is
 * ready. */
void coco_vm_changes_attach_disks(CocoVmChanges *changes, const CocoLaunchDisk *list, size_t n,
                                  CocoVmChangesFunc func, void *user_data);

/* The same of interfaces, which take the same room. nics: the list is copied, what it names is lent
 * until func runs. */
void coco_vm_changes_attach_nics(CocoVmChanges *changes, const CocoLaunchNic *nics, size_t n,
                                 CocoVmChangesFunc func, void *user_data);

/* The guest does not use them any more. places: (transfer full). */
void coco_vm_changes_detach(CocoVmChanges *changes, char **places, CocoVmChangesFunc func,
                            void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoVmChanges, coco_vm_changes_free)

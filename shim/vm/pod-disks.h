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

typedef struct _CocoPodDisks CocoPodDisks;

/* places: where the guest has them, in their order (transfer none); NULL with error. */
typedef void (*CocoPodDisksFunc)(char *const *places, const GError *error, void *user_data);

CocoPodDisks *coco_pod_disks_new(const CocoPodDir *dir, CocoSignals *signals, CocoPodVm *vm);

/* What is under way is called off, and nobody is told. */
void coco_pod_disks_free(CocoPodDisks *disks);

/* Keeps room for n more, if there is; to be given back, or used by one attach. */
bool coco_pod_disks_reserve(CocoPodDisks *disks, size_t n);
void coco_pod_disks_release(CocoPodDisks *disks, size_t n);

/* All or none, in room that was reserved for them; func runs once, never in this call. The VM is
 * ready. */
void coco_pod_disks_attach(CocoPodDisks *disks, const CocoLaunchDisk *list, size_t n,
                           CocoPodDisksFunc func, void *user_data);

/* The same of interfaces, which take the same room. nics: the list is copied, what it names is lent
 * until func runs. */
void coco_pod_disks_attach_nics(CocoPodDisks *disks, const CocoLaunchNic *nics, size_t n,
                                CocoPodDisksFunc func, void *user_data);

/* The guest does not use them any more. places: (transfer full). */
void coco_pod_disks_detach(CocoPodDisks *disks, char **places, CocoPodDisksFunc func,
                           void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPodDisks, coco_pod_disks_free)

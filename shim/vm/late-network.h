// SPDX-License-Identifier: Apache-2.0
/*
 * Interfaces that are made in QEMU's own network namespace when the VM runs already: `ctr run
 * --cni`, nerdctl and docker make a network for the task's process between create and start. They
 * are plugged into the VM before its first container starts.
 *
 * They need no undo: the namespace is QEMU's, and goes with it.
 *
 * Ownership: the caller owns the object; signals, vm and changes outlive it.
 * Thread: main.
 */
#pragma once

#include <glib.h>

#include "shim/vm/vm-changes.h"
#include "shim/vm/pod-vm.h"

typedef struct _CocoLateNetwork CocoLateNetwork;

/* error: nullable (transfer none). */
typedef void (*CocoLateNetworkFunc)(const GError *error, void *user_data);

CocoLateNetwork *coco_late_network_new(CocoSignals *signals, CocoPodVm *vm, CocoVmChanges *changes);

/* What is under way is called off, and nobody is told. NULL is fine. */
void coco_late_network_free(CocoLateNetwork *late);

/* Takes what is there, the first time; a VM without such a namespace has nothing, and the next
 * times there is nothing to do. func runs once, perhaps before this returns. The VM is ready. */
void coco_late_network_take(CocoLateNetwork *late, CocoLateNetworkFunc func, void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoLateNetwork, coco_late_network_free)

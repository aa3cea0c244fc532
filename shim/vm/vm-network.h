// SPDX-License-Identifier: Apache-2.0
/*
 * The VM's side of the pod's network: which kind the config wants, what the launcher is given, and
 * the end. What the guest does with it is a step of its set-up (vm-setup.h).
 *
 * Ownership: the caller owns the object; dir and signals outlive it.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-client.h"
#include "shim/host/pod-dir.h"
#include "shim/host/signals.h"
#include "shim/network/pod-network.h"
#include "shim/vm/launcher.h"

typedef struct _CocoVmNetwork CocoVmNetwork;

typedef void (*CocoVmNetworkFunc)(const GError *error, void *user_data);

/* failed: runs when the network cannot be had, or the launcher cannot be told of it. */
CocoVmNetwork *coco_vm_network_new(const CocoPodDir *dir, CocoSignals *signals,
                                   CocoVmNetworkFunc failed, void *user_data);
void coco_vm_network_free(CocoVmNetwork *network); /* nullable */

/* A CocoLauncherConfigFunc: finds out what the VM gets, and makes the host's side of it. A pod with
 * the host's network is FAILED_PRECONDITION. */
void coco_vm_network_configure(const CocoLauncherFacts *facts, void *network);

/* The launcher that waits (transfer none); NULL when there is none any more. */
void coco_vm_network_set_launcher(CocoVmNetwork *network, CocoLauncher *launcher);

/* Tells it what the VM gets as soon as its network is known, too. A launcher that has ended is no
 * error here. */
bool coco_vm_network_launch(CocoVmNetwork *network, const CocoLaunchNeeds *needs, GError **error);

/* QEMU has it. places: where the guest has each one; false with error set when they are not as
 * many. */
bool coco_vm_network_launched(CocoVmNetwork *network, char *const *places, GError **error);

/* The guest's agent answers: whoever connects to the pod's loopback is led there from now on. from:
 * of a network that came later; nullable, the pod's own. One of the two has a loopback. */
void coco_vm_network_forward(CocoVmNetwork *network, CocoPodNetwork *from, CocoTtrpcClient *agent);
/* No longer. */
void coco_vm_network_stop_forwarding(CocoVmNetwork *network);

/* Queues of an interface that appears in QEMU's own namespace later; 0: none is to be taken. */
unsigned int coco_vm_network_late_queues(const CocoVmNetwork *network);

/* What the agent is told of (transfer none). */
const CocoPodNetwork *coco_vm_network_pod(const CocoVmNetwork *network);

/* Ends what is under way and takes away what was made. func runs once, perhaps before this returns;
 * asked a second time this does nothing. */
void coco_vm_network_undo(CocoVmNetwork *network, CocoVmNetworkFunc func, void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoVmNetwork, coco_vm_network_free)

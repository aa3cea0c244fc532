// SPDX-License-Identifier: Apache-2.0
/*
 * The VM of a pod as the shim sees it: launch, first word of the agent, loss, end.
 *
 *     NEW --start--> LAUNCHING --launched--> CONNECTING --hello--> READY
 *     READY --stop--> LEAVING --left--> STOPPING --down--> GONE
 *     NEW, LAUNCHING, CONNECTING --stop--> STOPPING
 *     LAUNCHING, CONNECTING, READY, LEAVING --failed--> STOPPING
 *
 * Whoever needs the agent asks with coco_pod_vm_when_ready() and is told once, with the error that
 * ended the VM if it came to that. The error carries the last lines of the guest's console.
 *
 * Ownership: the caller owns the object; client and strings are lent while it is READY.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-client.h"
#include "shim/host/pod-dir.h"
#include "shim/host/signals.h"
#include "shim/host/waiters.h"
#include "shim/network/pod-network.h"
#include "shim/vm/launcher.h"
#include "shim/vm/watchdog.h"

typedef struct _CocoPodVm CocoPodVm;

/* Runs once, when a VM that had been launched is gone without having been stopped. */
typedef void (*CocoPodVmGoneFunc)(CocoPodVm *vm, const GError *reason, void *user_data);

/* dir, signals: (transfer none), outlive the VM. tee: nullable, the one that is insisted on
 * (pod-tee.h). */
CocoPodVm *coco_pod_vm_new(const CocoPodDir *dir, CocoSignals *signals, const char *pod_id,
                           const char *config_path, const char *tee);

/* Kills what runs, without waiting. */
void coco_pod_vm_free(CocoPodVm *vm);

void coco_pod_vm_set_gone_func(CocoPodVm *vm, CocoPodVmGoneFunc func, void *user_data);

/* Starts the launcher, which gets ready and waits; does nothing the second time. */
void coco_pod_vm_start(CocoPodVm *vm);

/* What the guest is told of the pod: its hostname, and the lines of its resolv.conf. Before it is
 * launched. */
void coco_pod_vm_set_names(CocoPodVm *vm, const char *hostname, char *const *dns);

/* Tells the launcher what the VM gets, once. A VM that has failed by then is no error: whoever
 * waits for it hears why. */
bool coco_pod_vm_launch(CocoPodVm *vm, const CocoLaunchNeeds *needs, GError **error);

/* Such disks are attached, or will be. */
void coco_pod_vm_note_disks(CocoPodVm *vm, const CocoLaunchDisk *disks, size_t n);

/* It has been told: nothing can be added to the VM any more. */
bool coco_pod_vm_is_decided(const CocoPodVm *vm);

/* The guest has the shared directory, or will have it. */
bool coco_pod_vm_has_share(const CocoPodVm *vm);

/* How many devices can be attached to it; as many as any VM takes before it is launched. */
unsigned int coco_pod_vm_slots(const CocoPodVm *vm);

/* Queues of an interface that appears in QEMU's own namespace later; 0: none is to be taken. */
unsigned int coco_pod_vm_late_queues(const CocoPodVm *vm);

/* Whoever connects to the loopback of such a namespace is led into the guest. */
void coco_pod_vm_forward(CocoPodVm *vm, CocoPodNetwork *from);

/* Where a ready VM has the disks it was launched with, in their order. */
char *const *coco_pod_vm_disks(const CocoPodVm *vm);

/* Calls func once, never before this returns: with no error when the agent is ready. */
void coco_pod_vm_when_ready(CocoPodVm *vm, CocoWaiterFunc func, void *user_data);

/* Gives the VM up: it is ended, and the gone function hears reason (transfer none). */
void coco_pod_vm_abandon(CocoPodVm *vm, const GError *reason);

/* Ends the VM at whatever step it is, and calls func when no process of it is left; any number may
 * ask. */
void coco_pod_vm_stop(CocoPodVm *vm, CocoWaiterFunc func, void *user_data);

bool coco_pod_vm_is_ready(const CocoPodVm *vm);
CocoTtrpcClient *coco_pod_vm_agent(const CocoPodVm *vm); /* NULL unless ready */
CocoWatchdog *coco_pod_vm_watchdog(const CocoPodVm *vm); /* likewise; of calls to the agent */
pid_t coco_pod_vm_pid(const CocoPodVm *vm); /* QEMU's; 0 before it is known; kept after its end */

/* The values that attestation should show, a JSON object; NULL without a TEE or before the launch
 * (transfer none). */
const char *coco_pod_vm_measurement(const CocoPodVm *vm);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPodVm, coco_pod_vm_free)

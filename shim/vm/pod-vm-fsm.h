// SPDX-License-Identifier: Apache-2.0
/*
 * The states of a pod's VM as data; pod-vm.c has the effects.
 *
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include "shim/host/fsm.h"

typedef enum {
    COCO_POD_VM_INVALID = COCO_FSM_REFUSED,
    COCO_POD_VM_NEW,
    COCO_POD_VM_LAUNCHING,
    COCO_POD_VM_CONNECTING,
    COCO_POD_VM_READY,
    COCO_POD_VM_LEAVING, /* the guest has been asked to end */
    COCO_POD_VM_STOPPING,
    COCO_POD_VM_GONE,
    COCO_N_POD_VM_STATES,
} CocoPodVmState;

typedef enum {
    COCO_POD_VM_EV_START,
    COCO_POD_VM_EV_LAUNCHED,
    COCO_POD_VM_EV_HELLO,  /* the agent answered and the sandbox is set up */
    COCO_POD_VM_EV_FAILED, /* a step on the way to READY failed */
    COCO_POD_VM_EV_STOP,
    COCO_POD_VM_EV_LEFT, /* it has ended, or is not waited for any more */
    COCO_POD_VM_EV_DOWN, /* no process of the VM is left */
    COCO_N_POD_VM_EVENTS,
} CocoPodVmEvent;

extern const CocoFsm coco_pod_vm_fsm;

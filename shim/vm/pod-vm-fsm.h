// SPDX-License-Identifier: Apache-2.0
/*
 * The states of a pod's VM as data; pod-vm.c has the effects.
 *
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

typedef enum {
    COCO_POD_VM_INVALID, /* zero: an unset cell of the table refuses the event */
    COCO_POD_VM_NEW,
    COCO_POD_VM_LAUNCHING,
    COCO_POD_VM_CONNECTING,
    COCO_POD_VM_READY,
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
    COCO_POD_VM_EV_DOWN, /* no process of the VM is left */
    COCO_N_POD_VM_EVENTS,
} CocoPodVmEvent;

/* FALSE, and *out_to untouched, when the event is refused in that state. */
bool coco_pod_vm_fsm_next(CocoPodVmState from, CocoPodVmEvent event, CocoPodVmState *out_to);

const char *coco_pod_vm_state_name(CocoPodVmState state);
const char *coco_pod_vm_event_name(CocoPodVmEvent event);

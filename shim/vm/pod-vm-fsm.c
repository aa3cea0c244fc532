// SPDX-License-Identifier: Apache-2.0
/*
 * Which event leads where. A VM can fail at every step once a launch began; DOWN is when no process
 * of it is left.
 */
#include "shim/vm/pod-vm-fsm.h"

#include <glib.h>

/* clang-format off */
static const unsigned int next[COCO_N_POD_VM_STATES][COCO_N_POD_VM_EVENTS] = {
    [COCO_POD_VM_NEW] = {
        [COCO_POD_VM_EV_START] = COCO_POD_VM_LAUNCHING,
        [COCO_POD_VM_EV_STOP] = COCO_POD_VM_STOPPING,
    },
    [COCO_POD_VM_LAUNCHING] = {
        [COCO_POD_VM_EV_LAUNCHED] = COCO_POD_VM_CONNECTING,
        [COCO_POD_VM_EV_FAILED] = COCO_POD_VM_STOPPING,
        [COCO_POD_VM_EV_STOP] = COCO_POD_VM_STOPPING,
    },
    [COCO_POD_VM_CONNECTING] = {
        [COCO_POD_VM_EV_HELLO] = COCO_POD_VM_READY,
        [COCO_POD_VM_EV_FAILED] = COCO_POD_VM_STOPPING,
        [COCO_POD_VM_EV_STOP] = COCO_POD_VM_STOPPING,
    },
    [COCO_POD_VM_READY] = {
        [COCO_POD_VM_EV_FAILED] = COCO_POD_VM_STOPPING,
        [COCO_POD_VM_EV_STOP] = COCO_POD_VM_LEAVING,
    },
    [COCO_POD_VM_LEAVING] = {
        [COCO_POD_VM_EV_FAILED] = COCO_POD_VM_STOPPING,
        [COCO_POD_VM_EV_LEFT] = COCO_POD_VM_STOPPING,
    },
    [COCO_POD_VM_STOPPING] = {
        [COCO_POD_VM_EV_DOWN] = COCO_POD_VM_GONE,
    },
};
/* clang-format on */

static const char *const state_names[] = { "invalid", "new",     "launching", "connecting",
                                           "ready",   "leaving", "stopping",  "gone" };
static const char *const event_names[] = { "start", "launched", "hello", "failed",
                                           "stop",  "left",     "down" };

G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == COCO_N_POD_VM_STATES);
G_STATIC_ASSERT(G_N_ELEMENTS(event_names) == COCO_N_POD_VM_EVENTS);

const CocoFsm coco_pod_vm_fsm = {
    .name = "vm",
    .n_states = COCO_N_POD_VM_STATES,
    .n_events = COCO_N_POD_VM_EVENTS,
    .next = next[0],
    .states = state_names,
    .events = event_names,
};

// SPDX-License-Identifier: Apache-2.0
/*
 * Which event leads where. DOWN is the end of the VM, asked for or not.
 */
#include "shim/sandbox/sandbox-fsm.h"

#include <glib.h>

/* clang-format off */
static const unsigned int next[COCO_N_SANDBOX_STATES][COCO_N_SANDBOX_EVENTS] = {
    [COCO_SANDBOX_NEW] = {
        [COCO_SANDBOX_EV_CREATE] = COCO_SANDBOX_CREATED,
    },
    [COCO_SANDBOX_CREATED] = {
        [COCO_SANDBOX_EV_START] = COCO_SANDBOX_STARTING,
        [COCO_SANDBOX_EV_STOP] = COCO_SANDBOX_STOPPING,
    },
    [COCO_SANDBOX_STARTING] = {
        [COCO_SANDBOX_EV_READY] = COCO_SANDBOX_READY,
        [COCO_SANDBOX_EV_STOP] = COCO_SANDBOX_STOPPING,
        [COCO_SANDBOX_EV_DOWN] = COCO_SANDBOX_STOPPED,
    },
    [COCO_SANDBOX_READY] = {
        [COCO_SANDBOX_EV_STOP] = COCO_SANDBOX_STOPPING,
        [COCO_SANDBOX_EV_DOWN] = COCO_SANDBOX_STOPPED,
    },
    [COCO_SANDBOX_STOPPING] = {
        [COCO_SANDBOX_EV_DOWN] = COCO_SANDBOX_STOPPED,
    },
};
/* clang-format on */

static const char *const state_names[] = { "invalid", "new",      "created", "starting",
                                           "ready",   "stopping", "stopped" };
static const char *const event_names[] = { "create", "start", "ready", "stop", "down" };

G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == COCO_N_SANDBOX_STATES);
G_STATIC_ASSERT(G_N_ELEMENTS(event_names) == COCO_N_SANDBOX_EVENTS);

const CocoFsm coco_sandbox_fsm = {
    .name = "sandbox",
    .n_states = COCO_N_SANDBOX_STATES,
    .n_events = COCO_N_SANDBOX_EVENTS,
    .next = next[0],
    .states = state_names,
    .events = event_names,
};

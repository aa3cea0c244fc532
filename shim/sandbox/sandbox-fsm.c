// SPDX-License-Identifier: Apache-2.0
/*
 * Which event leads where. DOWN is the end of the VM, asked for or not.
 */
#include "shim/sandbox/sandbox-fsm.h"

#include <glib.h>

/* clang-format off */
static const CocoSandboxState next[COCO_N_SANDBOX_STATES][COCO_N_SANDBOX_EVENTS] = {
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

bool
coco_sandbox_fsm_next(CocoSandboxState from, CocoSandboxEvent event, CocoSandboxState *out_to)
{
    if (from >= COCO_N_SANDBOX_STATES || event >= COCO_N_SANDBOX_EVENTS ||
        next[from][event] == COCO_SANDBOX_INVALID)
        return false;
    *out_to = next[from][event];
    return true;
}

const char *
coco_sandbox_state_name(CocoSandboxState state)
{
    return state < COCO_N_SANDBOX_STATES ? state_names[state] : "invalid";
}

const char *
coco_sandbox_event_name(CocoSandboxEvent event)
{
    return event < COCO_N_SANDBOX_EVENTS ? event_names[event] : "invalid";
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Which event leads where. EXIT is taken in STARTING too, when the container or the VM has ended;
 * that of the process itself waits until its start was told.
 */
#include "shim/pod/process-fsm.h"

#include <glib.h>

/* clang-format off */
static const CocoProcessState next[COCO_N_PROCESS_STATES][COCO_N_PROCESS_EVENTS] = {
    [COCO_PROCESS_CREATED] = {
        [COCO_PROCESS_EV_START] = COCO_PROCESS_STARTING,
        [COCO_PROCESS_EV_EXIT] = COCO_PROCESS_STOPPED,
    },
    [COCO_PROCESS_STARTING] = {
        [COCO_PROCESS_EV_STARTED] = COCO_PROCESS_RUNNING,
        [COCO_PROCESS_EV_START_FAILED] = COCO_PROCESS_STOPPED,
        [COCO_PROCESS_EV_EXIT] = COCO_PROCESS_STOPPED,
    },
    [COCO_PROCESS_RUNNING] = {
        [COCO_PROCESS_EV_EXIT] = COCO_PROCESS_STOPPED,
    },
};
/* clang-format on */

static const char *const state_names[] = { "invalid", "created", "starting", "running", "stopped" };
static const char *const event_names[] = { "start", "started", "start-failed", "exit" };

G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == COCO_N_PROCESS_STATES);
G_STATIC_ASSERT(G_N_ELEMENTS(event_names) == COCO_N_PROCESS_EVENTS);

bool
coco_process_fsm_next(CocoProcessState from, CocoProcessEvent event, CocoProcessState *out_to)
{
    if (from >= COCO_N_PROCESS_STATES || event >= COCO_N_PROCESS_EVENTS ||
        next[from][event] == COCO_PROCESS_INVALID)
        return false;
    *out_to = next[from][event];
    return true;
}

const char *
coco_process_state_name(CocoProcessState state)
{
    return state < COCO_N_PROCESS_STATES ? state_names[state] : "invalid";
}

const char *
coco_process_event_name(CocoProcessEvent event)
{
    return event < COCO_N_PROCESS_EVENTS ? event_names[event] : "invalid";
}

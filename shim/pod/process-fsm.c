// SPDX-License-Identifier: Apache-2.0
/*
 * Which event leads where. EXIT is taken in STARTING too, when the container or the VM has ended;
 * that of the process itself waits until its start was told.
 */
#include "shim/pod/process-fsm.h"

#include <glib.h>

/* clang-format off */
static const unsigned int next[COCO_N_PROCESS_STATES][COCO_N_PROCESS_EVENTS] = {
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

const CocoFsm coco_process_fsm = {
    .name = "process",
    .n_states = COCO_N_PROCESS_STATES,
    .n_events = COCO_N_PROCESS_EVENTS,
    .next = next[0],
    .states = state_names,
    .events = event_names,
};

// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a process, a container's first or an exec, as data; process.c has the effects.
 *
 *     CREATED --start--> STARTING --started--> RUNNING --exit--> STOPPED
 *                        STARTING --start-failed--> STOPPED
 *     CREATED, STARTING --exit--> STOPPED
 *
 * Paused is not here: it is a property of the container, reported for all its running processes.
 *
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

typedef enum {
    COCO_PROCESS_INVALID, /* zero: an unset cell of the table refuses the event */
    COCO_PROCESS_CREATED,
    COCO_PROCESS_STARTING,
    COCO_PROCESS_RUNNING,
    COCO_PROCESS_STOPPED,
    COCO_N_PROCESS_STATES,
} CocoProcessState;

typedef enum {
    COCO_PROCESS_EV_START,
    COCO_PROCESS_EV_STARTED,
    COCO_PROCESS_EV_START_FAILED,
    COCO_PROCESS_EV_EXIT,
    COCO_N_PROCESS_EVENTS,
} CocoProcessEvent;

/* FALSE, and *out_to untouched, when the event is refused in that state. */
bool coco_process_fsm_next(CocoProcessState from, CocoProcessEvent event, CocoProcessState *out_to);

const char *coco_process_state_name(CocoProcessState state);
const char *coco_process_event_name(CocoProcessEvent event);

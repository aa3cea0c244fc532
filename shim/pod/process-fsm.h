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

#include "shim/host/fsm.h"

typedef enum {
    COCO_PROCESS_INVALID = COCO_FSM_REFUSED,
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

extern const CocoFsm coco_process_fsm;

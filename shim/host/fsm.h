// SPDX-License-Identifier: Apache-2.0
/*
 * A state machine as data: a table of where each event leads from each state, and the names of
 * both. The pure half of every machine of the shim; its effects are with whoever holds the state.
 *
 * State 0 is no state: a cell of the table that is not set refuses the event. The last state of a
 * machine has an empty row.
 *
 * Ownership: machines are constants; nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#define COCO_FSM_REFUSED 0

typedef struct {
    const char *name; /* "vm", for the log */
    unsigned int n_states;
    unsigned int n_events;
    const unsigned int *next; /* [n_states][n_events] */
    const char *const *states;
    const char *const *events;
} CocoFsm;

/* Where event leads from state, or COCO_FSM_REFUSED; any numbers may be asked for. */
unsigned int coco_fsm_next(const CocoFsm *fsm, unsigned int state, unsigned int event);

/* The same, told in the log with the id of what moves. */
unsigned int coco_fsm_step(const CocoFsm *fsm, const char *id, unsigned int state,
                           unsigned int event);

/* "invalid" for what the machine does not have. */
const char *coco_fsm_state_name(const CocoFsm *fsm, unsigned int state);
const char *coco_fsm_event_name(const CocoFsm *fsm, unsigned int event);

// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a sandbox that containerd drives through the Sandbox service, as data; pod-sandbox.c
 * has the effects.
 *
 *     NEW --create--> CREATED --start--> STARTING --ready--> READY
 *     CREATED, STARTING, READY --stop--> STOPPING
 *     STARTING, READY, STOPPING --down--> STOPPED
 *
 * A pod of a pause container stays NEW.
 *
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

typedef enum {
    COCO_SANDBOX_INVALID, /* zero: an unset cell of the table refuses the event */
    COCO_SANDBOX_NEW,
    COCO_SANDBOX_CREATED,
    COCO_SANDBOX_STARTING,
    COCO_SANDBOX_READY,
    COCO_SANDBOX_STOPPING,
    COCO_SANDBOX_STOPPED,
    COCO_N_SANDBOX_STATES,
} CocoSandboxState;

typedef enum {
    COCO_SANDBOX_EV_CREATE,
    COCO_SANDBOX_EV_START,
    COCO_SANDBOX_EV_READY,
    COCO_SANDBOX_EV_STOP,
    COCO_SANDBOX_EV_DOWN,
    COCO_N_SANDBOX_EVENTS,
} CocoSandboxEvent;

/* FALSE, and *out_to untouched, when the event is refused in that state. */
bool coco_sandbox_fsm_next(CocoSandboxState from, CocoSandboxEvent event, CocoSandboxState *out_to);

const char *coco_sandbox_state_name(CocoSandboxState state);
const char *coco_sandbox_event_name(CocoSandboxEvent event);

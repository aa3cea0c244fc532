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

#include "shim/host/fsm.h"

typedef enum {
    COCO_SANDBOX_INVALID = COCO_FSM_REFUSED,
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

extern const CocoFsm coco_sandbox_fsm;

// SPDX-License-Identifier: Apache-2.0
/*
 * What is done with a guest that runs before it takes containers, and taken back before it ends: a
 * table of steps. Each starts when the one before it is done; an error names the step. They are
 * taken back in the opposite order, as far as they were done.
 *
 * Ownership: the caller owns the object; the config's strings are lent and outlive it.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-client.h"
#include "shim/host/waiters.h"
#include "shim/network/pod-network.h"

typedef struct {
    const char *agent;  /* its address, guest-protocol/ttrpc/transport.h */
    int64_t timeout_us; /* of each step */
    const char *pod_id;
    const char *hostname;
    char *const *dns;
    bool has_share;
    const CocoPodNetwork *network; /* lent, too; nullable */
} CocoVmSetupConfig;

typedef struct _CocoVmSetup CocoVmSetup;

CocoVmSetup *coco_vm_setup_new(const CocoVmSetupConfig *config);
void coco_vm_setup_free(CocoVmSetup *setup); /* nullable; takes back nothing */

/* Does the steps. func runs once, after this has returned: with no error when all are done, and
 * never after a cancel. What was done of steps that failed is not taken back by itself. */
void coco_vm_setup_start(CocoVmSetup *setup, CocoWaiterFunc func, void *user_data);

/* Takes back what was done, all within timeout_us; the guest leaves by itself then. func as above,
 * but it may run before this returns. An error ends it. */
void coco_vm_setup_undo(CocoVmSetup *setup, int64_t timeout_us, CocoWaiterFunc func,
                        void *user_data);

/* Whatever is under way is dropped; nobody is told. */
void coco_vm_setup_cancel(CocoVmSetup *setup);

/* The connection, from its step on until the end of the object. */
CocoTtrpcClient *coco_vm_setup_agent(const CocoVmSetup *setup);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoVmSetup, coco_vm_setup_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * What is known of a VM after its launch: RUN/vm/state.json, for `list` and for people.
 *
 * Nothing depends on it for cleaning up: processes are found by their command lines.
 *
 * Ownership: an info owns its strings.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <glib.h>
#include <json-c/json.h>

#include "vmm/run/run-dir.h"

typedef struct {
    pid_t pid;
    pid_t virtiofsd_pid;
    pid_t console_pid;
    char *tee;
    char *accel;
    char *transport;
    char *agent;              /* unix:///PATH or vsock://CID:PORT */
    json_object *measurement; /* that the launch should have; NULL without a TEE */
} CocoVmState;

void coco_vm_state_clear(CocoVmState *state);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoVmState, coco_vm_state_clear)

bool coco_vm_state_save(const CocoVmState *state, const CocoRunDir *run_dir, GError **error);

/* Ends every process of the run directory and removes what the launcher owns there. Idempotent. */
bool coco_vm_destroy(const CocoRunDir *run_dir, GError **error);

/* Writes the VMs whose run directories are directly below base, as a table or as a JSON array. */
bool coco_vm_list(const char *base, bool json, FILE *out, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * state.json of a pod: which pod this directory is and which processes serve it, for people and
 * tools. The shim itself never reads it back: cleaning up goes by what runs (pod-dir.h), which
 * cannot be stale.
 *
 * Ownership: borrows everything.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct {
    const char *id;
    const char *ns;
    pid_t shim_pid;
    pid_t vm_pid;
    const char *measurement; /* JSON object; NULL without a TEE */
} CocoStateFile;

/* Written whole or not at all (temporary file and rename). */
bool coco_state_file_write(const char *path, const CocoStateFile *state, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * The end of a pod from outside, and of those that were not ended to the last: a big guest may take
 * longer to die than `delete` may wait, and who waited may have been killed. `delete` leaves a
 * janitor behind where it does not finish, and each `start` does where it finds something left.
 *
 * What is left is told by the lock (shim/host/pod-lock.h). A VM that was launched without a shim
 * has none, and is not touched.
 *
 * Ownership: strings are borrowed.
 * Thread: main; blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <glib.h>

#include "shim/host/pod-dir.h"

/* Ends all processes of a pod, its shim too, and removes its run directory. Whoever does the same
 * at the same time is waited for. out_vm_pid: nullable. */
bool coco_janitor_end(const CocoPodDir *dir, int timeout_ms, pid_t *out_vm_pid, GError **error);

/* Ends what is left below base, and writes a line to out for each directory that it removes or
 * cannot remove. FALSE with error when there was one of the latter. A base that is not there has
 * nothing left in it. */
bool coco_janitor_run(const char *base, FILE *out, GError **error);

/* Leaves a process behind that does that, where there is something to do: nobody waits for it. */
void coco_janitor_spawn(const char *base);

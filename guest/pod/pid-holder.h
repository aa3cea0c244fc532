// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1 of a pid namespace that the pod's containers share when none of them is there for it (a
 * pod without a pause container). It does nothing but collect what its namespace orphans; it is
 * nobody, has no capability, and its root is an empty directory, because the containers see it.
 *
 * Ownership: the caller owns the descriptor; when process 1 is killed, all in the namespace are.
 * Thread: the calling thread's children go into the new namespace for a moment, so only the one
 * thread of the agent.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/* The one argument with which the agent's own program is the holder. */
#define COCO_PID_HOLDER_ARGUMENT "--hold-pid-namespace"

/* Starts the holder and waits for it to be ready. Its pidfd, or -1 with error set; out_pid is for
 * its files in /proc. */
int coco_pid_holder_start(pid_t *out_pid, GError **error);

/* What the holder does; the status to exit with, when it cannot. */
int coco_pid_holder_main(void);

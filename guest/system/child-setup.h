// SPDX-License-Identifier: Apache-2.0
/*
 * From fork to exec, for child-runner.c: descriptors, session, signals, and what a child has less
 * than the agent.
 *
 * Ownership: the job is borrowed for the call. Thread: any, in a process with one thread: the child
 * goes on with a copy of it.
 */
#pragma once

#include <sys/types.h>

#include <glib.h>

#include "guest/system/child-job.h"

/* The pid, or -1 with INTERNAL. out_output (caller owns): the end to read of its output, not
 * blocking, or -1. The caller collects the child. */
pid_t coco_child_start(const CocoChildJob *job, int *out_output, GError **error);

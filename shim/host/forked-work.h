// SPDX-License-Identifier: Apache-2.0
/*
 * One function in a child process, for what may block for ever (a mount of a server that does not
 * answer): the main loop goes on, and the child can be given up.
 *
 * Forked without exec, which is safe because the shim has one thread; the child has the shim's
 * namespaces, memory as it was, and of its descriptors only 0 to 2. It carries the shim's command
 * line, so `delete` finds it, and dies with the shim.
 *
 * What it finds out beyond that it succeeded goes over a descriptor that it may be given.
 *
 * Ownership: a work frees itself after done, which is called exactly once.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/signals.h"

typedef struct _CocoForkedWork CocoForkedWork;
typedef struct _CocoForkedReport CocoForkedReport;

/* In the child. What it changes in data is lost. */
typedef bool (*CocoForkedWorkFunc)(CocoForkedReport *report, void *data, GError **error);

/* error: (transfer none), NULL when func succeeded. Domain and code are func's. */
typedef void (*CocoForkedWorkDone)(const GError *error, void *user_data);

/* NULL with error set if there can be no child; then done is not called. After timeout_ms the child
 * is killed and done hears COCO_TTRPC_DEADLINE_EXCEEDED with the step that hung. */
CocoForkedWork *coco_forked_work_start(CocoSignals *signals, CocoForkedWorkFunc func, void *data,
                                       unsigned int timeout_ms, CocoForkedWorkDone done,
                                       void *user_data, GError **error);

/* The same with a descriptor more (borrowed), which the child has as COCO_FORKED_FD. */
#define COCO_FORKED_FD 3
CocoForkedWork *coco_forked_work_start_telling(CocoSignals *signals, CocoForkedWorkFunc func,
                                               void *data, int fd, unsigned int timeout_ms,
                                               CocoForkedWorkDone done, void *user_data,
                                               GError **error);

/* Kills the child; done hears COCO_TTRPC_CANCELLED, from the main loop. Twice is fine. */
void coco_forked_work_cancel(CocoForkedWork *work);

/* In the child: what it is about to do, for the message of a deadline. report: nullable. */
void coco_forked_report_step(CocoForkedReport *report, const char *step);

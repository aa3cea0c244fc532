// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a program as a child and tells how it ended: all that the agent does not do itself goes
 * through here. Nothing waits: the caller's function runs on the main context.
 *
 * A child gets the descriptors that it is given and no other, its own session, default signal
 * dispositions and, where asked for, less than the agent has. One that is over its deadline or not
 * wanted any more is killed, with all of its process group.
 *
 * Ownership: a job and what it points to are borrowed for the call. A CocoChild is gone when its
 * function has run. Thread: that of the reaper.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest/system/child-job.h"
#include "guest/system/reaper.h"

typedef struct _CocoChild CocoChild;

typedef struct {
    int wait_status;
    bool timed_out;
    bool cancelled;
    unsigned int deadline_s;
    const char *output; /* the last bytes, with a 0 after them */
} CocoChildEnd;

/* end: valid during the call. Runs once, never before coco_child_run() returned. The reaper is held
 * until it returns, so a pid learned from the child can still be watched in it. */
typedef void (*CocoChildDone)(const CocoChildEnd *end, void *user_data);

/* (transfer none); NULL with INTERNAL when it could not be started, then done does not run. */
CocoChild *coco_child_run(CocoReaper *reaper, const CocoChildJob *job, CocoChildDone done,
                          void *user_data, GError **error);

/* Kills it; done tells when it is gone. */
void coco_child_cancel(CocoChild *child);
/* For the end of the program: done will not run, the child is left alone. */
void coco_child_forget(CocoChild *child);

/* NULL for exit status 0, else "exit status 3", "killed by signal 9 (Killed)", "not done after 5
 * s", "cancelled"; g_free(). */
char *coco_child_end_text(const CocoChildEnd *end);

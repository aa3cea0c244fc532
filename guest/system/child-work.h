// SPDX-License-Identifier: Apache-2.0
/*
 * A function of the agent's that may block for long, for it asks the host's file server or a driver
 * of the host's devices: it runs in a child and gives a text or an error, and the agent goes on
 * meanwhile. A queue does one such work after the other, in the order in which they came.
 *
 * Ownership: the data of a work are borrowed until done has run; a run is gone then.
 * Thread: that of the reaper.
 */
#pragma once

#include <glib.h>

#include "guest/system/reaper.h"

/* In the child: a text (g_free()), or NULL with error set. */
typedef char *(*CocoChildWorkFunc)(void *data, GError **error);

/* text: NULL with an error; valid during the call. DEADLINE_EXCEEDED: it was not done in time, and
 * a part of it may have been. */
typedef void (*CocoChildWorkDone)(const char *text, const GError *error, void *user_data);

typedef struct {
    const char *name; /* what it is, for errors: "copy a file" */
    unsigned int deadline_s;
    CocoChildWorkFunc func;
    void *data;
} CocoChildWork;

typedef struct _CocoChildWorkRun CocoChildWorkRun;

/* (transfer none); NULL with INTERNAL when no child could be started, then done does not run. */
CocoChildWorkRun *coco_child_work_run(CocoReaper *reaper, const CocoChildWork *work,
                                      CocoChildWorkDone done, void *user_data, GError **error);
/* Kills the child; done tells when it is gone. */
void coco_child_work_cancel(CocoChildWorkRun *run);
/* done does not run any more; the child goes on. run: (transfer full). */
void coco_child_work_forget(CocoChildWorkRun *run);

typedef struct _CocoChildQueue CocoChildQueue;

/* reaper: borrowed. */
CocoChildQueue *coco_child_queue_new(CocoReaper *reaper);
/* Those who wait are told CANCELLED; what runs is killed. NULL is fine. */
void coco_child_queue_free(CocoChildQueue *queue);

/* done runs once, at once when it need not wait. work (copied): nullable, then done is told "" when
 * all that was added before it is over. */
void coco_child_queue_add(CocoChildQueue *queue, const CocoChildWork *work, CocoChildWorkDone done,
                          void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoChildQueue, coco_child_queue_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON lines by which a launch tells its caller how it goes, and the timing of its phases.
 *
 * Ownership: the report borrows the stream.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>

#include "vmm/config/json.h"

typedef struct {
    FILE *out;
    gint64 phase_start; /* monotonic, µs */
    bool broken;        /* the reader is gone */
} CocoLaunchReport;

/* Starts the clock of the first phase. */
void coco_launch_report_init(CocoLaunchReport *report, FILE *out);

/* Writes one line and flushes it; takes the object (transfer full). */
void coco_launch_report_write(CocoLaunchReport *report, json_object *line);

/* Ends the running phase under this name and starts the next one. */
void coco_launch_report_phase(CocoLaunchReport *report, const char *name);

/* The result of a failed launch. */
void coco_launch_report_failure(CocoLaunchReport *report, const GError *error);

/* {"event":event}, to be filled (transfer full). */
json_object *coco_launch_report_line(const char *event);

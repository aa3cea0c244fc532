// SPDX-License-Identifier: Apache-2.0
/*
 * `cococtl measure`, in two files: options and files (cococtl-measure.c), and how a measurement is
 * told (cococtl-measure-report.c).
 *
 * Ownership: everything is borrowed unless it says otherwise.
 * Thread: the main one.
 */
#pragma once

#include <json-c/json.h>

#include "vmm/launch/measure-plan.h"

int coco_ctl_measure(int argc, char **argv);

/* Everything that was computed, with the sha256 of each input; what does not exist for the TEE has
 * no key (transfer full). */
json_object *coco_measure_report(const CocoMeasurePlan *plan, const CocoMeasurement *measurement);

/* One step of how a value came about (transfer full). */
json_object *coco_measure_report_step(const CocoMeasureStep *step);

/* Both as lines for a person (transfer full). */
char *coco_measure_report_text(const json_object *report);
char *coco_measure_report_step_text(const CocoMeasureStep *step);

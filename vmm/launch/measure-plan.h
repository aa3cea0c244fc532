// SPDX-License-Identifier: Apache-2.0
/*
 * What to measure, by file names: filled from a config, changed by options, then read and
 * measured. This is the I/O that measure.h has not.
 *
 * Ownership: a plan owns its strings and, once measured, its files' content.
 * Thread: one for each plan.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/config/vm-spec.h"
#include "vmm/measure/measure.h"
#include "vmm/tee/initdata-binding.h"

typedef enum {
    COCO_MEASURE_FIRMWARE,
    COCO_MEASURE_KERNEL,
    COCO_MEASURE_INITRD,
    COCO_MEASURE_DTB,
    COCO_N_MEASURE_FILES,
} CocoMeasureFile;

typedef struct {
    char *paths[COCO_N_MEASURE_FILES]; /* each nullable */
    char *cmdline;                     /* nullable */
    char *cpu_model;                   /* nullable */
    GBytes *host_data;      /* nullable: the digest of initdata, or what the config binds */
    CocoMeasureInput input; /* all but what the fields above and the files give */
} CocoMeasurePlan;

/* "firmware", "kernel", "initrd", "dtb" (transfer none). */
const char *coco_measure_file_name(CocoMeasureFile file);

/* What holds without a config: one vCPU, a realm as KVM makes it. */
void coco_measure_plan_preset(CocoMeasurePlan *plan);

/* Takes over all of a VM that is decided, and what of its initdata is in the evidence. */
bool coco_measure_plan_from_spec(CocoMeasurePlan *plan, const CocoVmSpec *spec,
                                 const CocoInitdataBinding *initdata, GError **error);

/* The same of the VM that a launch with this config and initdata would start, the files read from
 * outside the config included. */
bool coco_measure_plan_from_config(CocoMeasurePlan *plan, const CocoVmConfig *config,
                                   const CocoInitdataSource *source, GError **error);

/* Reads the files and measures. Errors name the file that they are about. */
bool coco_measure_plan_run(CocoMeasurePlan *plan, const CocoMeasureTrace *trace,
                           CocoMeasurement *out, GError **error);

void coco_measure_plan_clear(CocoMeasurePlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoMeasurePlan, coco_measure_plan_clear)

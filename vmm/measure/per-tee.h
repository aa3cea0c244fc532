// SPDX-License-Identifier: Apache-2.0
/*
 * The seam between coco_measure() and the measurements of each TEE. Each takes the input, tells the
 * trace and adds its values to out, where the sha256 of every input file is already.
 *
 * Ownership: everything is borrowed.
 * Thread: any.
 */
#pragma once

#include "vmm/measure/firmware.h"
#include "vmm/measure/measurement.h"

typedef bool (*CocoMeasureTee)(const CocoMeasureInput *input, const CocoMeasureTrace *trace,
                               CocoMeasurement *out, GError **error);

bool coco_measure_sev(const CocoMeasureInput *input, const CocoMeasureTrace *trace,
                      CocoMeasurement *out, GError **error); /* also SEV-ES */
bool coco_measure_snp(const CocoMeasureInput *input, const CocoMeasureTrace *trace,
                      CocoMeasurement *out, GError **error);
bool coco_measure_tdx(const CocoMeasureInput *input, const CocoMeasureTrace *trace,
                      CocoMeasurement *out, GError **error);

bool coco_measure_se(const CocoMeasureInput *input, const CocoMeasureTrace *trace,
                     CocoMeasurement *out, GError **error);
bool coco_measure_cca(const CocoMeasureInput *input, const CocoMeasureTrace *trace,
                      CocoMeasurement *out, GError **error);

/* The parts of TDX: what is in memory at the start, and what the firmware and the kernel add. */
bool coco_measure_mrtd(const CocoMeasureInput *input, const CocoFirmware *firmware,
                       const CocoMeasureTrace *trace, CocoMeasurement *out, GError **error);
bool coco_measure_rtmrs(const CocoMeasureInput *input, const CocoFirmware *firmware,
                        const CocoMeasureTrace *trace, CocoMeasurement *out, GError **error);

/* Says in out whether the firmware boots nothing but the kernel that is measured. */
void coco_measure_kernel_check(const CocoFirmware *firmware, CocoMeasurement *out);

/* Fails with one message for all TEEs: "measure TEE: it needs WHAT". */
bool coco_measure_lacks(const CocoMeasureInput *input, const char *what, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * The measurement that a launch should have, computed while libvirt starts the VM: a child process
 * reads the very files that QEMU opens, through the descriptors of boot-files.h, and tells its
 * result through a pipe. The result of an earlier launch of the same (measure-cache.h) needs no
 * child.
 *
 * Ownership: it owns the child and the pipe; clearing ends both.
 * Thread: one; the caller reaps its children, this one included.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <json-c/json.h>

#include "vmm/launch/launch-plan.h"

typedef struct {
    int pidfd; /* -1: no child measures */
    int fd;
    json_object *known; /* nullable: from the cache */
    const char *store;  /* borrowed, static */
    char *key;          /* nullable: the result is not kept */
} CocoLaunchMeasure;

#define COCO_LAUNCH_MEASURE_INIT                                                                   \
    {                                                                                              \
        .pidfd = -1, .fd = -1                                                                      \
    }

/* Does nothing without a TEE. The images of the plan are open, from the store where they are from
 * one. */
bool coco_launch_measure_start(CocoLaunchMeasure *measure, const CocoLaunchPlan *plan,
                               const char *store, GError **error);

/* Waits until deadline (monotonic µs). *out_values is {"launch_digest":"hex",…} (transfer full), or
 * NULL when nothing is measured. BAD_CONFIG when an input cannot be measured. */
bool coco_launch_measure_finish(CocoLaunchMeasure *measure, gint64 deadline,
                                json_object **out_values, GError **error);

void coco_launch_measure_clear(CocoLaunchMeasure *measure);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoLaunchMeasure, coco_launch_measure_clear)

/* The values of a spec's files, by descriptor, in this process (transfer full). */
json_object *coco_launch_measure_values(const CocoVmSpec *spec, const CocoBootFiles *boot,
                                        const CocoInitdataBinding *initdata, GError **error);

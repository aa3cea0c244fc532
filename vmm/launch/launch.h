// SPDX-License-Identifier: Apache-2.0
/*
 * One launch from config to a running VM, with its undo.
 *
 * Ownership: options are borrowed.
 * Thread: one; it takes over the process's signals and becomes its subreaper.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "vmm/launch/launch-plan.h"

typedef struct {
    CocoLaunchSource source;
    const char *const *require_tees; /* nullable: the config must have each of them */
    bool wait;                       /* for a request on standard input, launch-request.h */
    bool verbose;
} CocoLaunchOptions;

/* Writes events and the result to out; true when the VM runs, false when it failed and nothing is
 * left. */
bool coco_launch(const CocoLaunchOptions *options, FILE *out);

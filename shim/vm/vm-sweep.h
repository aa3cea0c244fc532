// SPDX-License-Identifier: Apache-2.0
/*
 * The end of whatever still runs for a VM: killed at once, and waited for on the main loop by
 * pidfds, since a process that is killed may take long to die. Found in the pod's cgroup, and only
 * where there is none among all processes of the host (vmm/run/process-finder.h).
 *
 * Ownership: a sweep frees itself after done, which is called exactly once and never before
 * coco_vm_sweep_start() returns; one that is cancelled calls nobody.
 * Thread: main.
 */
#pragma once

#include <glib.h>

typedef struct _CocoVmSweep CocoVmSweep;

/* error: NULL when nothing is left. (transfer none) */
typedef void (*CocoVmSweepDone)(const GError *error, void *user_data);

CocoVmSweep *coco_vm_sweep_start(const char *run_dir, unsigned int timeout_ms, CocoVmSweepDone done,
                                 void *user_data);

void coco_vm_sweep_cancel(CocoVmSweep *sweep); /* nullable; what was killed stays so */

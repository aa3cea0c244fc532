// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the libvirt worker and watches it: a deadline, signals to the launcher, and the end of the
 * worker all lead to one outcome.
 *
 * libvirt's calls block, some without bound, so they are made in a process that can be killed. The
 * launcher is the subreaper of everything that the worker starts: libvirt waits for a capability
 * probe to vanish, and where nobody reaps orphans that takes 30 s a time. The worker cannot reap
 * them itself, because libvirt waits for its own children.
 *
 * Ownership: the outcome owns its strings.
 * Thread: one.
 */
#pragma once

#include <sys/types.h>

#include "vmm/launch/launch-plan.h"
#include "vmm/launch/launch-report.h"

typedef struct {
    pid_t pid;        /* of QEMU */
    unsigned int cid; /* vsock address, 0 with a channel */
} CocoWorkerResult;

/* Blocks the signals that end a launch and returns the descriptor that reads them (transfer full),
 * or -1. */
int coco_worker_watch_signals(GError **error);

/* What the worker is to do with a VM that runs already. */
typedef struct {
    const char *option; /* --attach or --detach */
    const char *slots;  /* "1,12" */
} CocoWorkerJob;

/* Runs the worker until it has started the VM (job: NULL), or done the job, or failed, or deadline
 * (monotonic µs) has come. */
bool coco_worker_watch_run(const CocoLaunchPlan *plan, const CocoWorkerJob *job, int signal_fd,
                           gint64 deadline, bool verbose, CocoLaunchReport *report,
                           CocoWorkerResult *out_result, GError **error);

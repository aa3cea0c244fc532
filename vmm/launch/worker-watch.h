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
#include "vmm/launch/worker-job.h"

typedef struct {
    pid_t pid;        /* of QEMU */
    unsigned int cid; /* vsock address, 0 with a channel */
} CocoWorkerResult;

/* Blocks the signals that end a launch and returns the descriptor that reads them (transfer full),
 * or -1. */
int coco_worker_watch_signals(GError **error);

/* Runs the worker until it has started the VM, or done another job, or failed, or deadline
 * (monotonic µs) has come. job: its verb and what is that verb's alone; the rest is the plan's. */
bool coco_worker_watch_run(const CocoLaunchPlan *plan, const CocoWorkerJob *job, int signal_fd,
                           gint64 deadline, bool verbose, CocoLaunchReport *report,
                           CocoWorkerResult *out_result, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * Tells containerd of containers that ran out of memory: asks the agent for the next such event
 * (GetOOMEvent answers when there is one), and again. /tasks/oom is what makes "OOMKilled" in a
 * pod's status.
 *
 * The guest decides what it answers: what names no container of ours is dropped, and it is not
 * asked more often than COCO_OOM_WATCH_PAUSE_MS allows.
 *
 * Ownership: the caller's; free it after the pod's VM, whose end ends the last call.
 * Thread: main.
 */
#pragma once

#include "shim/pod.h"

#define COCO_OOM_WATCH_PAUSE_MS 100

typedef struct _CocoOomWatch CocoOomWatch;

/* The agent must be ready. pod: (transfer none), outlives the watch. */
CocoOomWatch *coco_oom_watch_new(CocoPod *pod);
void coco_oom_watch_free(CocoOomWatch *watch);

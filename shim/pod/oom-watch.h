// SPDX-License-Identifier: Apache-2.0
/*
 * Tells containerd of containers that ran out of memory: asks the agent for the next such event
 * (GetOOMEvent answers when there is one), and again. /tasks/oom is what makes "OOMKilled" in a
 * pod's status.
 *
 * It asks again at once: the agent tells of a container's last kill before it tells of its end, and
 * so do we, as long as we are asking. But the guest decides what it answers: what names no
 * container of ours is dropped, and after COCO_OOM_WATCH_BURST answers it is asked no more before
 * COCO_OOM_WATCH_PAUSE_MS have passed since the first of them.
 *
 * Ownership: the caller's; free it after the pod's VM, whose end ends the last call.
 * Thread: main.
 */
#pragma once

#include "shim/pod/pod.h"

#define COCO_OOM_WATCH_BURST 32
#define COCO_OOM_WATCH_PAUSE_MS 1000

typedef struct _CocoOomWatch CocoOomWatch;

/* The agent must be ready. pod: (transfer none), outlives the watch. */
CocoOomWatch *coco_oom_watch_new(CocoPod *pod);
void coco_oom_watch_free(CocoOomWatch *watch);

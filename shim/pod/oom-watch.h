// SPDX-License-Identifier: Apache-2.0
/*
 * Tells containerd of containers that ran out of memory: asks the agent for the next such event
 * (GetOOMEvent answers when there is one), and again. /tasks/oom is what makes "OOMKilled" in a
 * pod's status.
 *
 * It asks again at once: the agent tells of a container's last kill before it tells of its end, and
 * so do we, as long as we are asking. But the guest decides what it answers: after
 * COCO_OOM_WATCH_BURST answers it is asked no more before COCO_OOM_WATCH_PAUSE_MS have passed since
 * the first of them.
 *
 * Ownership: the caller's; free it after the pod's VM, whose end ends the last call.
 * Thread: main.
 */
#pragma once

#include "guest-protocol/ttrpc/ttrpc-client.h"

#define COCO_OOM_WATCH_BURST 32
#define COCO_OOM_WATCH_PAUSE_MS 1000

typedef struct _CocoOomWatch CocoOomWatch;

/* id: as the guest says it, of a container that may not be there. */
typedef void (*CocoOomFunc)(const char *id, void *user_data);

/* agent: (transfer none), closed before the watch is freed. */
CocoOomWatch *coco_oom_watch_new(CocoTtrpcClient *agent, CocoOomFunc func, void *user_data);
void coco_oom_watch_free(CocoOomWatch *watch);

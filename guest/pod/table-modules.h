// SPDX-License-Identifier: Apache-2.0
/*
 * Modules that the kernel does not ask for when a container wants them: iptables-legacy and its
 * kind look for the tables' modules themselves, by a modprobe(8) that images do not have. On a host
 * they are there, since the host uses them.
 *
 * Ownership: nothing to own. Thread: that of the queue.
 */
#pragma once

#include <stdbool.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest/system/child-work.h"

/* Whether the container may change tables. spec: nullable. */
bool coco_table_modules_are_wanted(const Grpc__Spec *spec);

/* Loads them in a child of the queue. What the image does not have is left. */
void coco_table_modules_queue(CocoChildQueue *queue);

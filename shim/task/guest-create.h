// SPDX-License-Identifier: Apache-2.0
/*
 * CreateContainer of the agent with a bound: whoever asked hears DEADLINE_EXCEEDED then, but what
 * the guest still makes of it is taken back. A call that was only forgotten would leave a container
 * that nobody knows, and that holds its name and its memory.
 *
 * Ownership: the request is packed before the function returns; the pod outlives all.
 * Thread: main.
 */
#pragma once

#include "guest-protocol/proto/agent-pb.h"
#include "shim/pod/pod.h"

/* callback finishes with coco_ttrpc_client_call_finish(). */
void coco_guest_create(CocoPod *pod, const CocoAgentContainer *container, unsigned int timeout_s,
                       GAsyncReadyCallback callback, void *user_data);

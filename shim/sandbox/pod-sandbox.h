// SPDX-License-Identifier: Apache-2.0
/*
 * The pod as containerd drives it through the Sandbox service: the VM is the sandbox. It is there
 * before the first container and stays after the last, and the service's methods begin and end it;
 * containers are Task calls on the same socket.
 *
 * Source: containerd api/runtime/sandbox/v1, plugins/sandbox/controller.go; sequence traced on 2.3.
 * Ownership: the caller owns the object, and the pod outlives it.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "guest-protocol/proto/sandbox-pb.h"
#include "shim/pod/pod.h"
#include "shim/sandbox/sandbox-fsm.h"

typedef struct _CocoPodSandbox CocoPodSandbox;

CocoPodSandbox *coco_pod_sandbox_new(CocoPod *pod);
void coco_pod_sandbox_free(CocoPodSandbox *sandbox);

CocoPod *coco_pod_sandbox_pod(const CocoPodSandbox *sandbox);
CocoSandboxState coco_pod_sandbox_state(const CocoPodSandbox *sandbox);

/* Microseconds since the epoch; 0: not yet. */
int64_t coco_pod_sandbox_created_at(const CocoPodSandbox *sandbox);
int64_t coco_pod_sandbox_exited_at(const CocoPodSandbox *sandbox);

/* 0 when it was stopped, 137 when its VM was lost. */
uint32_t coco_pod_sandbox_exit_status(const CocoPodSandbox *sandbox);

/* "" for none. */
const char *coco_pod_sandbox_netns(const CocoPodSandbox *sandbox);

/* Takes what the request says; the launcher gets ready, but there is no VM yet. A second time fails
 * with ALREADY_EXISTS, and so does a pod that has containers already. */
bool coco_pod_sandbox_create(CocoPodSandbox *sandbox,
                             const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *request,
                             GError **error);

/* Starts the VM; func is told when its agent is ready. A sandbox that cannot be started counts as
 * stopped. */
void coco_pod_sandbox_start(CocoPodSandbox *sandbox, CocoWaiterFunc func, void *user_data);

/* Ends the VM with all containers; func is told when it is gone, at once when it is. caller: as
 * coco_waiters_add() has it; one that gives up takes back nothing. */
void coco_pod_sandbox_stop(CocoPodSandbox *sandbox, GCancellable *caller, CocoWaiterFunc func,
                           void *user_data);

/* func is told when the sandbox has stopped, for whatever reason, unless its caller gives up. */
void coco_pod_sandbox_wait(CocoPodSandbox *sandbox, GCancellable *caller, CocoWaiterFunc func,
                           void *user_data);

/* Stops it if need be and removes all that is left on the host. */
void coco_pod_sandbox_remove(CocoPodSandbox *sandbox, CocoWaiterFunc func, void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPodSandbox, coco_pod_sandbox_free)

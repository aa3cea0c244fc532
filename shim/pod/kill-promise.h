// SPDX-License-Identifier: Apache-2.0
/*
 * SIGKILL of a container is a promise of the shim, not of the guest: a guest that does not end the
 * container within a bound loses its VM, and with it all containers of the pod end. Otherwise a
 * guest that hangs, or lies, could keep a pod that nobody can delete.
 *
 * Source: containerd stops the containers of a pod one after the other, and at the first that does
 * not end it stops trying.
 * Ownership: the container owns what is made here, until its exit is told or it is freed.
 * Thread: main.
 */
#pragma once

#include "shim/pod/pod.h"

/* A silent agent has that long. It is for a guest that is slow because its host is. */
#define COCO_KILL_PROMISE_SILENT_MS 6000

/* So long has one that speaks. More than the kernel takes for the memory of a large process. */
#define COCO_KILL_PROMISE_MS 10000

/* SIGKILL goes to the container, whose first process has not ended. A second promise does not
 * lengthen the first. */
void coco_kill_promise_make(CocoPod *pod, CocoContainer *container);

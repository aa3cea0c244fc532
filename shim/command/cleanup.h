// SPDX-License-Identifier: Apache-2.0
/*
 * The `delete` action: containerd runs it after every task, dead shim or not. It ends what is left
 * of the pod, removes its run directory and prints how the task ended.
 *
 * Ownership: nothing to own.
 * Thread: main; short-lived process.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/command/invocation.h"

/* Idempotent. For a container that shares its pod with others only its bundle is concerned: the
 * pod's own container takes the VM along. Prints a DeleteResponse on standard output. */
bool coco_cleanup(const CocoInvocation *invocation, GError **error);

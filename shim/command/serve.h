// SPDX-License-Identifier: Apache-2.0
/*
 * The server: the process that lives as long as the pod.
 *
 * Ownership: nothing to own.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/command/invocation.h"

/* Where `start` puts the listening socket. */
#define COCO_SERVE_LISTEN_FD 3

/* And the lock of the run directory (shim/host/pod-lock.h), for the server's life. */
#define COCO_SERVE_LOCK_FD 4

/* Serves until the pod is over. The current directory is the bundle of the pod's first container.
 */
bool coco_serve(const CocoInvocation *invocation, GError **error);

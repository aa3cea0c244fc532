// SPDX-License-Identifier: Apache-2.0
/*
 * The `start` action: finds or makes the shim of a container's pod and prints its address.
 *
 * Ownership: nothing to own.
 * Thread: main; short-lived process.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/command/invocation.h"

/* The current directory is the bundle. self: path of this program. On success the address is
 * printed on standard output, which nothing that is left running holds open: containerd reads to
 * its end. */
bool coco_start(const CocoInvocation *invocation, const char *self, GError **error);

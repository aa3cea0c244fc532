// SPDX-License-Identifier: Apache-2.0
/*
 * The `-info` action: what containerd 2.x asks a runtime about itself.
 *
 * Source: containerd api/types/introspection.proto (RuntimeInfo).
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* Prints a packed containerd.types.RuntimeInfo on standard output. */
bool coco_runtime_info_print(GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * The `-info` action: what containerd 2.x asks a runtime about itself. Which mounts of a task
 * containerd is to leave to us (root-plan.h), 2.2 and 2.3 read in an annotation there, and 2.4 in
 * the answer of `start`.
 *
 * Source: containerd api/types/introspection.proto (RuntimeInfo), docs/mounts.md,
 * docs/shim-capabilities.md.
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* containerd.types.MountCapabilities, packed (transfer full). */
GByteArray *coco_runtime_info_mounts(void);

/* Prints a packed containerd.types.RuntimeInfo on standard output. */
bool coco_runtime_info_print(GError **error);

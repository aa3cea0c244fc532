// SPDX-License-Identifier: Apache-2.0
/*
 * Network sysctls of a container. The guest's network namespace is the pod's and no container has
 * one of its own, so the OCI runtime refuses them; the agent sets them for the pod instead.
 *
 * Ownership: what was applied is taken out of the spec.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* Writes every net.* sysctl of container below root ("/proc/sys") and drops it from the list.
 * Errors name the key: INVALID_ARGUMENT, or UNKNOWN when the kernel refuses. A key with an empty
 * part is refused whatever it begins with. */
bool coco_sysctl_apply_network(Grpc__Linux *container, const char *root, GError **error);

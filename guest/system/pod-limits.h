// SPDX-License-Identifier: Apache-2.0
/*
 * What all containers of the pod may have together: the guest's memory and processes, less what is
 * in use before the first container and a reserve. Without that, containers that have no limits of
 * their own (or more than there is) leave nothing to the agent: it is not killed, but what it needs
 * (a runtime, a buffer) it does not get.
 *
 * The reserve is a 32nd of the memory, 8 MiB at least and 64 MiB at most, and 64 processes.
 *
 * Ownership: nothing is kept. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* proc: where /proc is; cgroup: the pod's directory. */
bool coco_pod_limits_set(const char *proc, const char *cgroup, GError **error);

/* Bytes of a line of /proc/meminfo, 0 when there is none. key: with its colon. */
uint64_t coco_pod_limits_memory(const char *proc, const char *key);

/* Memory was added: before is MemTotal until then. The pod has all that is new. */
void coco_pod_limits_grow(const char *proc, const char *cgroup, uint64_t before);

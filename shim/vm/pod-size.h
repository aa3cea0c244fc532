// SPDX-License-Identifier: Apache-2.0
/*
 * How large a pod is, by its limits: what its VM gets beside what the config has for the VM itself.
 *
 *     vcpus      quota / period, rounded up
 *     memory_mib limit in bytes, rounded up
 *
 * CRI says what all containers of a pod may use together: in annotations of the pause container, or
 * in PodSandboxConfig. A container that is alone in its VM has its own limits. What has no limit
 * adds nothing. Requests and shares are no limits.
 *
 * Source: containerd, pkg/cri/annotations (io.kubernetes.cri.sandbox-…, since 1.6); OCI runtime
 * spec, config-linux.md, "CPU" and "Memory".
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shim/host/bundle-config.h"

typedef struct {
    unsigned int vcpus;
    unsigned int memory_mib;
} CocoPodSize;

/* The limits of a cgroup: 0 and less is none; a period of 0 is the kernel's, 100 ms. Saturates. */
CocoPodSize coco_pod_size_of_limits(int64_t quota_us, uint64_t period_us, int64_t memory_bytes);

/* False where the pod says nothing of its size; a text that is no number counts as no limit. */
bool coco_pod_size_of_annotations(CocoAnnotationFunc get, void *user_data, CocoPodSize *out_size);

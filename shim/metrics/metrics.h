// SPDX-License-Identifier: Apache-2.0
/*
 * What the agent measured in the guest, in the form in which containerd and CRI read the cgroup of
 * a container on the host. Units and names differ between the three (agent: nanoseconds and maps;
 * cgroup v1: nanoseconds; cgroup v2: microseconds), and a reader that gets another type than the
 * host's cgroup version lets it expect fails.
 *
 * Ownership: as each function says.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "google/protobuf/any.pb-c.h"
#include "guest-protocol/proto/agent.pb-c.h"

typedef enum {
    COCO_METRICS_V1, /* io.containerd.cgroups.v1.Metrics */
    COCO_METRICS_V2, /* io.containerd.cgroups.v2.Metrics */
} CocoMetricsVersion;

/* What readers on this host expect: v2 if /sys/fs/cgroup is a cgroup2 file system, else v1. */
CocoMetricsVersion coco_metrics_host_version(void);

/* *out_any: (transfer full), free it as a message. The numbers are the guest's word; lists are cut
 * to sane lengths and names made valid UTF-8. Error: COCO_TTRPC_ERROR, INTERNAL, when the agent
 * sent no statistics. */
bool coco_metrics_pack(const Grpc__StatsContainerResponse *stats, CocoMetricsVersion version,
                       Google__Protobuf__Any **out_any, GError **error);

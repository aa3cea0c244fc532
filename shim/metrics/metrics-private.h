// SPDX-License-Identifier: Apache-2.0
/*
 * What metrics.c, metrics-v1.c and metrics-v2.c share: the two conversions, and reading the agent's
 * map of memory statistics.
 *
 * Ownership: messages are returned with transfer full.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "guest-protocol/proto/agent.pb-c.h"

/* A guest may send a list as long as a message: more than this of it is not looked at. */
#define COCO_METRICS_MAX_ENTRIES 1024

/* stats->cgroup_stats is not NULL. */
ProtobufCMessage *coco_metrics_to_v1(const Grpc__StatsContainerResponse *stats);
ProtobufCMessage *coco_metrics_to_v2(const Grpc__StatsContainerResponse *stats);

/* An empty message from malloc. */
void *coco_metrics_new_message(const ProtobufCMessageDescriptor *descriptor);

/* min(n, COCO_METRICS_MAX_ENTRIES) */
size_t coco_metrics_bounded(size_t n);

/* The value of one key, false if the guest has none. */
bool coco_metrics_find_stat(const Grpc__MemoryStats *memory, const char *key, uint64_t *out_value);

/* The same, 0 if the guest has none. */
uint64_t coco_metrics_get_stat(const Grpc__MemoryStats *memory, const char *key);

/* Sets each uint64 field of message from the statistic that the field is named after, in the names
 * of cgroup v2 or, for a guest with cgroup v1, of v1. */
void coco_metrics_fill_memory(ProtobufCMessage *message, const Grpc__MemoryStats *memory);

/* io.containerd.cgroups.v1.NetworkStat and v2's are the same message twice, and the agent's a third
 * time. type: descriptor of the elements of the result, which has *out_n. */
ProtobufCMessage **coco_metrics_to_network(const Grpc__StatsContainerResponse *stats,
                                           const ProtobufCMessageDescriptor *type, size_t *out_n);

// SPDX-License-Identifier: Apache-2.0
/*
 * The traffic of the pod's network interfaces. The guest's network is the pod's: all containers
 * share it, so each one's statistics have the same numbers.
 *
 * Ownership: results belong to the caller, all from malloc.
 * Thread: any; it only reads a file of the kernel, which does not block.
 */
#pragma once

#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* More interfaces than a pod has; a container that may make interfaces can make any number. */
#define COCO_NETWORK_MAX_INTERFACES 64

/* Where the kernel has the numbers of the calling process's network namespace. */
#define COCO_NETWORK_FILE "/proc/self/net/dev"

/* text: of COCO_NETWORK_FILE. One entry for each interface but the loopback, which containerd and
 * libcontainer do not count either: its traffic never leaves. */
Grpc__NetworkStats **coco_network_parse(const char *text, size_t *out_n);

/* The same of a file; one that cannot be read has no interfaces. */
Grpc__NetworkStats **coco_network_stats(const char *path, size_t *out_n);

void coco_network_stats_free(Grpc__NetworkStats **stats, size_t n);

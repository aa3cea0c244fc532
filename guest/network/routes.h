// SPDX-License-Identifier: Apache-2.0
/*
 * Routes and neighbours of the pod, as Kata's agent answers for them. Only the main table is looked
 * at, and of it nothing that the kernel made by itself.
 *
 * Ownership: requests are borrowed; results belong to the caller, all from malloc.
 * Thread: any; the kernel answers at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* These instead of those there are. Routes without a gateway come first, since they may lead to the
 * gateways of others. One that is there already is fine. */
bool coco_routes_update(Types__Route *const *routes, size_t n, GError **error);

/* NULL with error set. A default route's dest is "0.0.0.0/0" or "::/0". */
Types__Route **coco_routes_list(size_t *out_n, GError **error);
void coco_routes_free(Types__Route **routes, size_t n);

/* Adds them to those there are, or changes those. A state of 0 is "permanent". */
bool coco_neighbours_add(Types__ARPNeighbor *const *neighbours, size_t n, GError **error);

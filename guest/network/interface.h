// SPDX-License-Identifier: Apache-2.0
/*
 * The pod's network interfaces, as Kata's agent answers for them: found by hardware address, which
 * is all that host and guest both know; then named, addressed and brought up.
 *
 * Ownership: requests are borrowed; results belong to the caller, all from malloc.
 * Thread: any; the kernel answers at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* What can be said without the kernel; INVALID_ARGUMENT. */
bool coco_interface_check(const Types__Interface *interface, GError **error);

/* Whether there is one with the request's hardware address. False with NOT_FOUND if not. */
bool coco_interface_is_there(const Types__Interface *interface, GError **error);

/* Makes the one with the request's hardware address what the request says: name, MTU, addresses
 * (and no others), IFF_NOARP; up. One that has that name already gets the other's. */
bool coco_interface_update(const Types__Interface *interface, GError **error);

/* All there are, the loopback too; NULL with error set. */
Types__Interface **coco_interfaces_list(size_t *out_n, GError **error);
void coco_interfaces_free(Types__Interface **interfaces, size_t n);

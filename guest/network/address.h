// SPDX-License-Identifier: Apache-2.0
/*
 * What a request of the agent's says of addresses and names, as libnl has it, and back.
 *
 * Ownership: results belong to the caller.
 * Thread: any.
 */
#pragma once

#include "guest-protocol/netlink/netlink.h"

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; without a prefix it is the whole address. NULL with
 * INVALID_ARGUMENT. */
NlAddr *coco_netlink_address(const char *text, GError **error);

/* "02:00:00:00:00:01"; NULL with INVALID_ARGUMENT. */
NlAddr *coco_netlink_mac(const char *text, GError **error);

/* "192.0.2.0/24". */
char *coco_netlink_prefix_text(const NlAddr *address);

/* The link with this name; NULL with NOT_FOUND. */
NlLink *coco_netlink_find_name(NlCache *links, const char *name, GError **error);

/* Whether the kernel takes it as the name of an interface. */
bool coco_netlink_is_name(const char *name);

// SPDX-License-Identifier: Apache-2.0
/*
 * A link of the kernel's as the agent's protocol has it: what the shim tells of a pod's namespace,
 * and what the agent tells of the guest.
 *
 * Ownership: results belong to the caller.
 * Thread: any.
 */
#pragma once

#include "guest-protocol/netlink/netlink.h"
#include "guest-protocol/proto/agent-pb.h"

/* Whether an address, which has a local part, is told. */
typedef bool (*CocoAddressFilter)(NlIfAddr *address);

/* With those of the addresses that are its and that the filter takes; nullable: all. The type is
 * left empty. (transfer full) */
Types__Interface *coco_link_describe(NlLink *link, NlCache *addresses, CocoAddressFilter filter);

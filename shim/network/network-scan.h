// SPDX-License-Identifier: Apache-2.0
/*
 * What a network namespace has that the guest is to have: interfaces with their addresses, routes
 * and neighbours, as the agent is told of them. Nothing is changed.
 *
 * Left out is what the guest's kernel makes by itself (routes of addresses, multicast, the
 * loopback), and what has no frames of Ethernet. What cannot be carried over is named in a warning.
 *
 * Ownership: a scan owns everything in it.
 * Thread: that of the socket.
 */
#pragma once

#include <stddef.h>

#include <glib.h>

#include "guest-protocol/netlink/netlink.h"
#include "guest-protocol/proto/agent-pb.h"

typedef struct {
    int index; /* in the namespace that was looked at */
    Types__Interface *interface;
} CocoScannedLink;

typedef struct {
    CocoScannedLink *links;
    size_t n_links;
    GPtrArray *routes;     /* of Types__Route */
    GPtrArray *neighbours; /* of Types__ARPNeighbor */
    GPtrArray *warnings;   /* of char * */
} CocoNetworkScan;

/* NULL with error set. (transfer full) */
CocoNetworkScan *coco_network_scan(NlSock *sock, GError **error);
void coco_network_scan_free(CocoNetworkScan *scan); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoNetworkScan, coco_network_scan_free)

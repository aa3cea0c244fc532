// SPDX-License-Identifier: Apache-2.0
/*
 * The pod's network on the host, from the first look into its namespace to the last undo: what the
 * VM gets (descriptors of taps) and what the agent is told.
 *
 * All work in the namespace is a child's, with a deadline: whoever made the namespace may have put
 * it on a file system that does not answer, and the shim itself stays where it is. The child sends
 * what it found and made as messages of the agent's protocol, descriptors along with them.
 *
 * Ownership: the network owns everything it lends. Free it only when nothing is under way.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"
#include "shim/host/signals.h"

typedef struct _CocoPodNetwork CocoPodNetwork;

typedef void (*CocoPodNetworkFunc)(const GError *error, void *user_data);

CocoPodNetwork *coco_pod_network_new(CocoSignals *signals);
void coco_pod_network_free(CocoPodNetwork *network); /* nullable */

/* Looks into the namespace at path and makes a tap of so many queues for each interface. func runs
 * once, from the main loop: with FAILED_PRECONDITION for the shim's own namespace, which is the
 * host's. After a failure nothing of it is left. */
void coco_pod_network_set_up(CocoPodNetwork *network, const char *path, unsigned int queues,
                             CocoPodNetworkFunc func, void *user_data);

/* QEMU's own network instead: one interface, with the addresses that QEMU gives. */
void coco_pod_network_set_user(CocoPodNetwork *network);

/* What there is; empty before it has been set up. */
size_t coco_pod_network_count(const CocoPodNetwork *network);
const Types__Interface *coco_pod_network_interface(const CocoPodNetwork *network, size_t i);
const int *coco_pod_network_taps(const CocoPodNetwork *network, size_t i, unsigned int *out_n);
const Grpc__Routes *coco_pod_network_routes(const CocoPodNetwork *network);
const Grpc__ARPNeighbors *coco_pod_network_neighbours(const CocoPodNetwork *network);

/* Where the guest has an interface, for the agent. */
void coco_pod_network_set_place(CocoPodNetwork *network, size_t i, const char *place);

/* What listens on its loopback (loopback.h), as it was set up: *out_n descriptors, which are the
 * caller's then. */
int *coco_pod_network_loopback(CocoPodNetwork *network, unsigned int *out_n);

/* Others have them now: when these are gone, the taps are. */
void coco_pod_network_close_taps(CocoPodNetwork *network);

/* Ends what is under way, whose func hears CANCELLED. */
void coco_pod_network_cancel(CocoPodNetwork *network);

/* Takes away what was left in the namespace; one that is gone, or was never set up, is fine. func
 * runs once, perhaps before this returns. */
void coco_pod_network_undo(CocoPodNetwork *network, CocoPodNetworkFunc func, void *user_data);

/* The same in this process, for `delete` and its like. */
bool coco_pod_network_undo_here(const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPodNetwork, coco_pod_network_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * Ground of both sides' network rooms: the kernel's routing socket by libnl, scope types for what
 * libnl makes, and its errors as GErrors.
 *
 * Ownership: results belong to the caller.
 * Thread: any; a socket is of the network namespace of the thread that opens it. The kernel answers
 * at once.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <netlink/netlink.h>
#include <netlink/route/action.h>
#include <netlink/route/addr.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/route.h>

/* libnl has no names of its own for them that G_DEFINE_AUTOPTR_CLEANUP_FUNC would take. */
typedef struct nl_sock NlSock;
typedef struct nl_cache NlCache;
typedef struct nl_addr NlAddr;
typedef struct rtnl_link NlLink;
typedef struct rtnl_addr NlIfAddr;
typedef struct rtnl_route NlRoute;
typedef struct rtnl_nexthop NlNexthop;
typedef struct rtnl_neigh NlNeighbour;
typedef struct rtnl_qdisc NlQdisc;
typedef struct rtnl_cls NlFilter;
typedef struct rtnl_act NlAction;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlSock, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlCache, nl_cache_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlAddr, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlLink, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlIfAddr, rtnl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlRoute, rtnl_route_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlNexthop, rtnl_route_nh_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlNeighbour, rtnl_neigh_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlQdisc, rtnl_qdisc_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlFilter, rtnl_cls_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlAction, rtnl_act_put)

/* Sets INTERNAL "what: cause" of libnl's (negative) status, for `return coco_netlink_error(…)`;
 * always false. */
bool coco_netlink_error(int status, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* A socket to the kernel of this thread's network namespace; NULL with error set. */
NlSock *coco_netlink_open(GError **error);

/* All links there are; NULL with error set. */
NlCache *coco_netlink_links(NlSock *sock, GError **error);

/* The address alone, "192.0.2.1" or "02:00:00:00:00:01"; "" for none. */
char *coco_netlink_text(const NlAddr *address);

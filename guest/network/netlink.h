// SPDX-License-Identifier: Apache-2.0
/*
 * Ground of the other files here: the kernel's routing socket by libnl, scope types for what libnl
 * makes, and addresses between text and netlink. What a request says is parsed by inet_pton() and
 * not by libnl, which also takes words.
 *
 * Ownership: results belong to the caller.
 * Thread: any; the kernel answers at once.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
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

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlSock, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlCache, nl_cache_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlAddr, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlLink, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlIfAddr, rtnl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlRoute, rtnl_route_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlNexthop, rtnl_route_nh_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NlNeighbour, rtnl_neigh_put)

/* Sets INTERNAL "what: cause" of libnl's (negative) status, for `return coco_netlink_error(…)`;
 * always false. */
bool coco_netlink_error(int status, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* A socket to the kernel of this process's network namespace; NULL with error set. */
NlSock *coco_netlink_open(GError **error);

/* All links there are; NULL with error set. */
NlCache *coco_netlink_links(NlSock *sock, GError **error);

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; without a prefix it is the whole address. NULL with
 * INVALID_ARGUMENT. */
NlAddr *coco_netlink_address(const char *text, GError **error);

/* "02:00:00:00:00:01"; NULL with INVALID_ARGUMENT. */
NlAddr *coco_netlink_mac(const char *text, GError **error);

/* The address alone; "" for none. */
char *coco_netlink_text(const NlAddr *address);

/* "192.0.2.0/24". */
char *coco_netlink_prefix_text(const NlAddr *address);

/* The link with this name; NULL with NOT_FOUND. */
NlLink *coco_netlink_find_name(NlCache *links, const char *name, GError **error);

/* Whether the kernel takes it as the name of an interface. */
bool coco_netlink_is_name(const char *name);

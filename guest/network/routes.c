// SPDX-License-Identifier: Apache-2.0
/*
 * Routes and neighbours by libnl (routes.h).
 */
#include "guest/network/routes.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/network/address.h"

/* What a route may have of a hop's flags: the others are the kernel's to say. */
#define HOP_FLAGS RTNH_F_ONLINK

static NlCache *
list_routes(NlSock *sock, GError **error)
{
    NlCache *routes = NULL;
    int status = rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &routes);

    if (status < 0)
        (void) coco_netlink_error(status, error, "list routes");
    return status < 0 ? NULL : routes;
}

static bool
is_in_main_table(NlRoute *route)
{
    return rtnl_route_get_table(route) == RT_TABLE_MAIN &&
           rtnl_route_get_type(route) == RTN_UNICAST;
}

static bool
remove_routes(NlSock *sock, GError **error)
{
    g_autoptr(NlCache) routes = list_routes(sock, error);

    if (routes == NULL)
        return false;
    for (struct nl_object *object = nl_cache_get_first(routes); object != NULL;
         object = nl_cache_get_next(object)) {
        NlRoute *route = (NlRoute *) object;
        int status = 0;

        if (is_in_main_table(route) && rtnl_route_get_protocol(route) != RTPROT_KERNEL)
            status = rtnl_route_delete(sock, route, 0);
        /* One may have gone with another. */
        if (status < 0 && status != -NLE_OBJ_NOTFOUND)
            return coco_netlink_error(status, error, "remove routes");
    }
    return true;
}

/* ---- adding ---- */

/* Of the family that the message says; an empty text is everywhere. */
static NlAddr *
parse_destination(const Types__Route *route, GError **error)
{
    bool is_v6 = route->family == TYPES__IPFAMILY__v6;

    if (route->dest[0] == '\0')
        return coco_netlink_address(is_v6 ? "::/0" : "0.0.0.0/0", error);
    return coco_netlink_address(route->dest, error);
}

/* A plain address, or one with /0, is the source that packets get; Kata's form of a source prefix
 * exists for IPv6 alone. */
static bool
set_source(NlRoute *target, const Types__Route *route, GError **error)
{
    g_autoptr(NlAddr) source = NULL;
    const char *slash = strchr(route->source, '/');

    if (route->source[0] == '\0')
        return true;
    source = coco_netlink_address(route->source, error);
    if (source == NULL)
        return false;
    if (slash != NULL && nl_addr_get_prefixlen(source) > 0 &&
        nl_addr_get_family(source) == AF_INET6)
        return rtnl_route_set_src(target, source) >= 0;
    nl_addr_set_prefixlen(source, 8 * (int) nl_addr_get_len(source));
    return rtnl_route_set_pref_src(target, source) >= 0;
}

static bool
set_hop(NlRoute *target, const Types__Route *route, NlCache *links, GError **error)
{
    g_autoptr(NlLink) link = coco_netlink_find_name(links, route->device, error);
    g_autoptr(NlNexthop) hop = rtnl_route_nh_alloc();

    if (link == NULL)
        return false;
    rtnl_route_nh_set_ifindex(hop, rtnl_link_get_ifindex(link));
    rtnl_route_nh_set_flags(hop, route->flags & HOP_FLAGS);
    if (route->gateway[0] != '\0') {
        g_autoptr(NlAddr) gateway = coco_netlink_address(route->gateway, error);

        if (gateway == NULL)
            return false;
        rtnl_route_nh_set_gateway(hop, gateway);
    }
    rtnl_route_add_nexthop(target, g_steal_pointer(&hop));
    return true;
}

/* (transfer full) */
static NlRoute *
build_route(const Types__Route *route, NlCache *links, GError **error)
{
    g_autoptr(NlRoute) built = rtnl_route_alloc();
    g_autoptr(NlAddr) destination = parse_destination(route, error);

    if (destination == NULL)
        return NULL;
    (void) rtnl_route_set_family(built, (uint8_t) nl_addr_get_family(destination));
    rtnl_route_set_table(built, RT_TABLE_MAIN);
    rtnl_route_set_protocol(built, RTPROT_BOOT);
    (void) rtnl_route_set_type(built, RTN_UNICAST);
    rtnl_route_set_scope(built, (uint8_t) route->scope);
    if (route->metric > 0)
        rtnl_route_set_priority(built, route->metric);
    if (route->mtu > 0)
        (void) rtnl_route_set_metric(built, RTAX_MTU, route->mtu);
    (void) rtnl_route_set_dst(built, destination);
    return set_source(built, route, error) && set_hop(built, route, links, error)
               ? g_steal_pointer(&built)
               : NULL;
}

static bool
add_route(NlSock *sock, NlCache *links, const Types__Route *route, GError **error)
{
    g_autoptr(NlRoute) built = build_route(route, links, error);
    int status = built != NULL ? rtnl_route_add(sock, built, 0) : 0;

    if (status < 0 && status != -NLE_EXIST)
        (void) coco_netlink_error(status, error, "add");
    else if (built != NULL)
        return true;
    g_prefix_error(error, "route to '%s' by '%s' through '%s': ", route->dest, route->gateway,
                   route->device);
    return false;
}

bool
coco_routes_update(Types__Route *const *routes, size_t n, GError **error)
{
    g_autoptr(NlSock) sock = coco_netlink_open(error);
    g_autoptr(NlCache) links = sock != NULL ? coco_netlink_links(sock, error) : NULL;

    if (links == NULL || !remove_routes(sock, error))
        return false;
    for (int with_gateway = 0; with_gateway <= 1; with_gateway++) {
        for (size_t i = 0; i < n; i++) {
            if ((routes[i]->gateway[0] != '\0') == (with_gateway == 1) &&
                !add_route(sock, links, routes[i], error))
                return false;
        }
    }
    return true;
}

/* ---- listing ---- */

static char *
text_or_nothing(const NlAddr *address)
{
    return address != NULL ? coco_netlink_prefix_text(address) : g_strdup("");
}

static char *
describe_source(NlRoute *route)
{
    const NlAddr *preferred = rtnl_route_get_pref_src(route);

    return preferred != NULL ? coco_netlink_text(preferred)
                             : text_or_nothing(rtnl_route_get_src(route));
}

static char *
describe_destination(NlRoute *route)
{
    const NlAddr *destination = rtnl_route_get_dst(route);

    if (destination != NULL && nl_addr_get_len(destination) > 0)
        return coco_netlink_prefix_text(destination);
    return g_strdup(rtnl_route_get_family(route) == AF_INET6 ? "::/0" : "0.0.0.0/0");
}

static Types__Route *
describe_route(NlRoute *route, NlCache *links)
{
    Types__Route *entry = g_new(Types__Route, 1);
    NlNexthop *hop = rtnl_route_nexthop_n(route, 0);
    g_autoptr(NlLink) link =
        hop != NULL ? rtnl_link_get(links, rtnl_route_nh_get_ifindex(hop)) : NULL;

    types__route__init(entry);
    entry->dest = describe_destination(route);
    entry->source = describe_source(route);
    entry->gateway = coco_netlink_text(hop != NULL ? rtnl_route_nh_get_gateway(hop) : NULL);
    entry->device = link != NULL ? g_utf8_make_valid(rtnl_link_get_name(link), -1) : g_strdup("");
    entry->scope = rtnl_route_get_scope(route);
    entry->flags = hop != NULL ? rtnl_route_nh_get_flags(hop) & HOP_FLAGS : 0;
    entry->metric = rtnl_route_get_priority(route);
    entry->family =
        rtnl_route_get_family(route) == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
    (void) rtnl_route_get_metric(route, RTAX_MTU, &entry->mtu);
    return entry;
}

Types__Route **
coco_routes_list(size_t *out_n, GError **error)
{
    g_autoptr(NlSock) sock = coco_netlink_open(error);
    g_autoptr(NlCache) links = sock != NULL ? coco_netlink_links(sock, error) : NULL;
    g_autoptr(NlCache) routes = links != NULL ? list_routes(sock, error) : NULL;
    g_autoptr(GPtrArray) found = NULL;

    if (routes == NULL)
        return NULL;
    found = g_ptr_array_new();
    for (struct nl_object *object = nl_cache_get_first(routes); object != NULL;
         object = nl_cache_get_next(object)) {
        if (is_in_main_table((NlRoute *) object))
            g_ptr_array_add(found, describe_route((NlRoute *) object, links));
    }
    *out_n = found->len;
    g_ptr_array_add(found, NULL);
    return (Types__Route **) g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

void
coco_routes_free(Types__Route **routes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        types__route__free_unpacked(routes[i], NULL);
    g_free(routes);
}

/* ---- neighbours ---- */

static bool
add_neighbour(NlSock *sock, NlCache *links, const Types__ARPNeighbor *entry, GError **error)
{
    g_autoptr(NlNeighbour) neighbour = rtnl_neigh_alloc();
    g_autoptr(NlLink) link = coco_netlink_find_name(links, entry->device, error);
    g_autoptr(NlAddr) address = NULL;
    g_autoptr(NlAddr) mac = NULL;
    int status;

    if (link == NULL)
        return false;
    if (entry->toipaddress == NULL)
        return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "a neighbour has no address");
    address = coco_netlink_address(entry->toipaddress->address, error);
    if (address == NULL)
        return false;
    rtnl_neigh_set_ifindex(neighbour, rtnl_link_get_ifindex(link));
    (void) rtnl_neigh_set_dst(neighbour, address);
    rtnl_neigh_set_state(neighbour, entry->state != 0 ? entry->state : NUD_PERMANENT);
    rtnl_neigh_set_flags(neighbour, (unsigned int) entry->flags);
    if (entry->lladdr[0] != '\0') {
        mac = coco_netlink_mac(entry->lladdr, error);
        if (mac == NULL)
            return false;
        rtnl_neigh_set_lladdr(neighbour, mac);
    }
    status = rtnl_neigh_add(sock, neighbour, NLM_F_CREATE | NLM_F_REPLACE);
    return status >= 0 || coco_netlink_error(status, error, "add neighbour %s of '%s'",
                                             entry->toipaddress->address, entry->device);
}

bool
coco_neighbours_add(Types__ARPNeighbor *const *neighbours, size_t n, GError **error)
{
    g_autoptr(NlSock) sock = coco_netlink_open(error);
    g_autoptr(NlCache) links = sock != NULL ? coco_netlink_links(sock, error) : NULL;

    if (links == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!add_neighbour(sock, links, neighbours[i], error))
            return false;
    }
    return true;
}

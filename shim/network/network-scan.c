// SPDX-License-Identifier: Apache-2.0
/*
 * From the kernel's lists to the agent's messages (network-scan.h).
 */
#include "shim/network/network-scan.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <netlink/msg.h>
#include <netlink/route/rule.h>
#include <string.h>

#include "guest-protocol/netlink/link-message.h"

typedef struct rtnl_rule NlRule;

static void
free_route(void *data)
{
    types__route__free_unpacked(data, NULL);
}

static void
free_neighbour(void *data)
{
    types__arpneighbor__free_unpacked(data, NULL);
}

void
coco_network_scan_free(CocoNetworkScan *scan)
{
    if (scan == NULL)
        return;
    for (size_t i = 0; i < scan->n_links; i++)
        types__interface__free_unpacked(scan->links[i].interface, NULL);
    g_free(scan->links);
    g_ptr_array_unref(scan->routes);
    g_ptr_array_unref(scan->neighbours);
    g_ptr_array_unref(scan->warnings);
    g_free(scan);
}

static void warn(CocoNetworkScan *scan, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
warn(CocoNetworkScan *scan, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(scan->warnings, g_strdup_vprintf(format, args));
    va_end(args);
}

/* The name of a link that is carried over; NULL for others. */
static const char *
find_name(const CocoNetworkScan *scan, int index)
{
    for (size_t i = 0; i < scan->n_links; i++) {
        if (scan->links[i].index == index)
            return scan->links[i].interface->name;
    }
    return NULL;
}

/* ---- interfaces ---- */

static bool
is_carried(NlIfAddr *address)
{
    unsigned int flags = rtnl_addr_get_flags(address);

    /* The guest makes its own temporary ones; one that somebody else has is none. */
    return (flags & IFA_F_DADFAILED) == 0 &&
           (rtnl_addr_get_family(address) != AF_INET6 || (flags & IFA_F_TEMPORARY) == 0);
}

static Types__Interface *
describe_link(NlLink *link, NlCache *addresses)
{
    Types__Interface *interface = coco_link_describe(link, addresses, is_carried);
    const char *type = rtnl_link_get_type(link);

    if (type != NULL)
        interface->type = g_strdup(type);
    return interface;
}

/* What arrives at the one below is redirected before it would come up to this one. */
static bool
is_above_another(NlLink *link, NlCache *links)
{
    int32_t elsewhere;
    g_autoptr(NlLink) below = NULL;

    if (rtnl_link_get_link(link) == 0 || rtnl_link_get_link_netnsid(link, &elsewhere) >= 0)
        return false;
    below = rtnl_link_get(links, rtnl_link_get_link(link));
    return below != NULL && (rtnl_link_get_flags(below) & IFF_UP) != 0;
}

/* A link that is down and has no address is one that the kernel makes in each namespace (tunl0), or
 * that nobody uses. */
static void
take_link(CocoNetworkScan *scan, NlLink *link, NlCache *links, NlCache *addresses)
{
    Types__Interface *interface;
    const char *cause = NULL;

    if ((rtnl_link_get_flags(link) & IFF_LOOPBACK) != 0)
        return;
    interface = describe_link(link, addresses);
    if ((rtnl_link_get_flags(link) & IFF_UP) == 0 && interface->n_ipaddresses == 0) {
        types__interface__free_unpacked(interface, NULL);
        return;
    }
    if (rtnl_link_get_arptype(link) != ARPHRD_ETHER)
        cause = "it has no frames of Ethernet";
    else if (strcmp(interface->type, "veth") != 0 && is_above_another(link, links))
        cause = "it is above another one of the pod";
    if (cause != NULL) {
        warn(scan, "interface '%s' is not carried into the guest: %s", interface->name, cause);
        types__interface__free_unpacked(interface, NULL);
        return;
    }
    scan->links = g_renew(CocoScannedLink, scan->links, scan->n_links + 1);
    scan->links[scan->n_links++] =
        (CocoScannedLink){ .index = rtnl_link_get_ifindex(link), .interface = interface };
}

static bool
scan_links(CocoNetworkScan *scan, NlSock *sock, GError **error)
{
    g_autoptr(NlCache) links = coco_netlink_links(sock, error);
    g_autoptr(NlCache) addresses = NULL;
    int status;

    if (links == NULL)
        return false;
    status = rtnl_addr_alloc_cache(sock, &addresses);
    if (status < 0)
        return coco_netlink_error(status, error, "list addresses");
    for (struct nl_object *object = nl_cache_get_first(links); object != NULL;
         object = nl_cache_get_next(object))
        take_link(scan, (NlLink *) object, links, addresses);
    return true;
}

/* ---- routes ---- */

/* Routes of addresses come with the addresses. */
static bool
is_for_guest(NlRoute *route)
{
    return rtnl_route_get_table(route) == RT_TABLE_MAIN &&
           rtnl_route_get_protocol(route) != RTPROT_KERNEL &&
           (rtnl_route_get_flags(route) & RTM_F_CLONED) == 0;
}

/* "" for a default route, as Kata has it. */
static char *
describe_destination(const NlAddr *destination)
{
    g_autofree char *text = NULL;

    if (destination == NULL || nl_addr_get_prefixlen(destination) == 0)
        return g_strdup("");
    text = coco_netlink_text(destination);
    return g_strdup_printf("%s/%u", text, nl_addr_get_prefixlen(destination));
}

static Types__Route *
describe_route(NlRoute *route, const char *device)
{
    Types__Route *entry = g_new(Types__Route, 1);
    NlNexthop *hop = rtnl_route_nexthop_n(route, 0);

    types__route__init(entry);
    entry->dest = describe_destination(rtnl_route_get_dst(route));
    entry->gateway = coco_netlink_text(rtnl_route_nh_get_gateway(hop));
    entry->device = g_strdup(device);
    entry->source = coco_netlink_text(rtnl_route_get_pref_src(route));
    entry->scope = rtnl_route_get_scope(route);
    entry->family =
        rtnl_route_get_family(route) == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
    entry->flags = rtnl_route_nh_get_flags(hop) & RTNH_F_ONLINK;
    entry->metric = rtnl_route_get_priority(route);
    (void) rtnl_route_get_metric(route, RTAX_MTU, &entry->mtu);
    return entry;
}

static void
take_route(CocoNetworkScan *scan, NlRoute *route)
{
    NlNexthop *hop = rtnl_route_nexthop_n(route, 0);
    const char *device = hop != NULL ? find_name(scan, rtnl_route_nh_get_ifindex(hop)) : NULL;
    g_autofree char *destination = NULL;

    if (!is_for_guest(route))
        return;
    destination = describe_destination(rtnl_route_get_dst(route));
    if (rtnl_route_get_type(route) != RTN_UNICAST)
        warn(scan, "route to '%s' is not carried into the guest: it leads nowhere", destination);
    else if (rtnl_route_get_nnexthops(route) != 1)
        warn(scan, "route to '%s' is not carried into the guest: it has several gateways",
             destination);
    else if (device != NULL)
        g_ptr_array_add(scan->routes, describe_route(route, device));
}

static bool
scan_routes(CocoNetworkScan *scan, NlSock *sock, GError **error)
{
    g_autoptr(NlCache) routes = NULL;
    int status = rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &routes);

    if (status < 0)
        return coco_netlink_error(status, error, "list routes");
    for (struct nl_object *object = nl_cache_get_first(routes); object != NULL;
         object = nl_cache_get_next(object))
        take_route(scan, (NlRoute *) object);
    return true;
}

/* ---- neighbours ---- */

static Types__ARPNeighbor *
describe_neighbour(NlNeighbour *neighbour, const char *device)
{
    Types__ARPNeighbor *entry = g_new(Types__ARPNeighbor, 1);
    Types__IPAddress *address = g_new(Types__IPAddress, 1);

    types__arpneighbor__init(entry);
    types__ipaddress__init(address);
    address->family =
        rtnl_neigh_get_family(neighbour) == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
    address->address = coco_netlink_text(rtnl_neigh_get_dst(neighbour));
    entry->toipaddress = address;
    entry->device = g_strdup(device);
    entry->lladdr = coco_netlink_text(rtnl_neigh_get_lladdr(neighbour));
    entry->state = NUD_PERMANENT;
    entry->flags = (int32_t) (rtnl_neigh_get_flags(neighbour) & (NTF_PROXY | NTF_ROUTER));
    return entry;
}

/* The others are found out by the guest itself. */
static bool
scan_neighbours(CocoNetworkScan *scan, NlSock *sock, GError **error)
{
    g_autoptr(NlCache) neighbours = NULL;
    int status = rtnl_neigh_alloc_cache(sock, &neighbours);

    if (status < 0)
        return coco_netlink_error(status, error, "list neighbours");
    for (struct nl_object *object = nl_cache_get_first(neighbours); object != NULL;
         object = nl_cache_get_next(object)) {
        NlNeighbour *neighbour = (NlNeighbour *) object;
        const char *device = find_name(scan, rtnl_neigh_get_ifindex(neighbour));
        int family = rtnl_neigh_get_family(neighbour);

        if (device != NULL && (family == AF_INET || family == AF_INET6) &&
            (rtnl_neigh_get_state(neighbour) & NUD_PERMANENT) != 0)
            g_ptr_array_add(scan->neighbours, describe_neighbour(neighbour, device));
    }
    return true;
}

/* ---- what is left out ---- */

/* Those that every namespace has: local, main and default. Multicast has families of its own. */
static bool
is_kernels_rule(NlRule *rule)
{
    uint32_t priority = rtnl_rule_get_prio(rule);
    uint32_t table = rtnl_rule_get_table(rule);
    int family = rtnl_rule_get_family(rule);

    return (family != AF_INET && family != AF_INET6) ||
           (priority == 0 && table == RT_TABLE_LOCAL) ||
           (priority == 32766 && table == RT_TABLE_MAIN) ||
           (priority == 32767 && table == RT_TABLE_DEFAULT);
}

static bool
scan_rules(CocoNetworkScan *scan, NlSock *sock, GError **error)
{
    g_autoptr(NlCache) rules = NULL;
    unsigned int n = 0;
    int status = rtnl_rule_alloc_cache(sock, AF_UNSPEC, &rules);

    if (status < 0)
        return coco_netlink_error(status, error, "list routing rules");
    for (struct nl_object *object = nl_cache_get_first(rules); object != NULL;
         object = nl_cache_get_next(object))
        n += is_kernels_rule((NlRule *) object) ? 0 : 1;
    if (n > 0)
        warn(scan, "policy routing is not carried into the guest: %u rules, and their tables", n);
    return true;
}

static int
count_policy(struct nl_msg *message, void *user_data)
{
    unsigned int *n = user_data;

    *n += nlmsg_hdr(message)->nlmsg_type == XFRM_MSG_NEWPOLICY ? 1 : 0;
    return NL_OK;
}

/* A kernel without IPsec has nothing of it. */
static void
scan_ipsec(CocoNetworkScan *scan)
{
    struct xfrm_userpolicy_id all = { 0 };
    g_autoptr(NlSock) sock = nl_socket_alloc();
    unsigned int n = 0;

    if (sock == NULL || nl_connect(sock, NETLINK_XFRM) < 0 ||
        nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, count_policy, &n) < 0 ||
        nl_send_simple(sock, XFRM_MSG_GETPOLICY, NLM_F_DUMP, &all, sizeof all) < 0 ||
        nl_recvmsgs_default(sock) < 0)
        return;
    if (n > 0)
        warn(scan, "IPsec is not carried into the guest: %u policies", n);
}

CocoNetworkScan *
coco_network_scan(NlSock *sock, GError **error)
{
    g_autoptr(CocoNetworkScan) scan = g_new0(CocoNetworkScan, 1);

    scan->routes = g_ptr_array_new_with_free_func(free_route);
    scan->neighbours = g_ptr_array_new_with_free_func(free_neighbour);
    scan->warnings = g_ptr_array_new_with_free_func(g_free);
    scan_ipsec(scan);
    return scan_links(scan, sock, error) && scan_routes(scan, sock, error) &&
                   scan_neighbours(scan, sock, error) && scan_rules(scan, sock, error)
               ? g_steal_pointer(&scan)
               : NULL;
}

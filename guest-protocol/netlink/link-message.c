// SPDX-License-Identifier: Apache-2.0
/*
 * Fills the message (link-message.h).
 */
#include "guest-protocol/netlink/link-message.h"

#include <net/if.h>

static Types__IPAddress *
describe_address(NlIfAddr *address)
{
    Types__IPAddress *entry = g_new(Types__IPAddress, 1);

    types__ipaddress__init(entry);
    entry->family =
        rtnl_addr_get_family(address) == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
    entry->address = coco_netlink_text(rtnl_addr_get_local(address));
    entry->mask = g_strdup_printf("%d", rtnl_addr_get_prefixlen(address));
    return entry;
}

static void
describe_addresses(Types__Interface *interface, NlCache *addresses, int index,
                   CocoAddressFilter filter)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (struct nl_object *object = nl_cache_get_first(addresses); object != NULL;
         object = nl_cache_get_next(object)) {
        NlIfAddr *address = (NlIfAddr *) object;

        if (rtnl_addr_get_ifindex(address) == index && rtnl_addr_get_local(address) != NULL &&
            (filter == NULL || filter(address)))
            g_ptr_array_add(found, describe_address(address));
    }
    interface->n_ipaddresses = found->len;
    interface->ipaddresses = (Types__IPAddress **) g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

Types__Interface *
coco_link_describe(NlLink *link, NlCache *addresses, CocoAddressFilter filter)
{
    Types__Interface *interface = g_new(Types__Interface, 1);

    types__interface__init(interface);
    /* The kernel takes any bytes, a message does not. */
    interface->name = g_utf8_make_valid(rtnl_link_get_name(link), -1);
    interface->device = g_strdup(interface->name);
    interface->hwaddr = coco_netlink_text(rtnl_link_get_addr(link));
    interface->mtu = rtnl_link_get_mtu(link);
    interface->raw_flags = rtnl_link_get_flags(link) & IFF_NOARP;
    describe_addresses(interface, addresses, rtnl_link_get_ifindex(link), filter);
    return interface;
}

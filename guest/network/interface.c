// SPDX-License-Identifier: Apache-2.0
/*
 * Changes of links and their addresses (interface.h).
 *
 * An interface is renamed while it is down, since older kernels take no other; its addresses come
 * when it is up, since that takes those of IPv6 away. They have been found to be unique where they
 * come from, so nothing here looks for duplicates, which would cost the pod its first second.
 */
#include "guest/network/interface.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "guest-protocol/netlink/link-message.h"
#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/network/address.h"

#define LOOPBACK "lo"
#define MTU_MAX 65535
#define PASSING_NAME "coco-swap" /* while two interfaces exchange their names */
#define IPV6_SYSCTL "/proc/sys/net/ipv6/conf/%s/%s"

/* ---- checking ---- */

static bool
refuse(GError **error, const Types__Interface *interface, const char *what)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "interface '%s': %s",
                             interface->name, what);
}

/* The address of a request's entry; NULL with error set. (transfer full) */
static NlAddr *
parse_address(const Types__IPAddress *entry, GError **error)
{
    g_autofree char *text = g_strconcat(entry->address, "/", entry->mask, NULL);

    return coco_netlink_address(text, error);
}

bool
coco_interface_check(const Types__Interface *interface, GError **error)
{
    g_autoptr(NlAddr) mac = NULL;

    if (!coco_netlink_is_name(interface->name) || strcmp(interface->name, LOOPBACK) == 0)
        return refuse(error, interface, "not a name that it can have");
    if (interface->mtu > MTU_MAX)
        return refuse(error, interface, "MTU out of range");
    for (size_t i = 0; i < interface->n_ipaddresses; i++) {
        g_autoptr(NlAddr) address = parse_address(interface->ipaddresses[i], error);

        if (address == NULL) {
            g_prefix_error(error, "interface '%s': ", interface->name);
            return false;
        }
    }
    mac = coco_netlink_mac(interface->hwaddr, error);
    if (mac == NULL)
        g_prefix_error(error, "interface '%s': ", interface->name);
    return mac != NULL;
}

/* ---- finding ---- */

static NlLink *
find_by_mac(NlCache *links, const Types__Interface *interface, GError **error)
{
    g_autoptr(NlAddr) mac = coco_netlink_mac(interface->hwaddr, error);

    if (mac == NULL)
        return NULL;
    for (struct nl_object *object = nl_cache_get_first(links); object != NULL;
         object = nl_cache_get_next(object)) {
        NlLink *link = (NlLink *) object;
        NlAddr *found = rtnl_link_get_addr(link);

        if (found != NULL && nl_addr_get_len(found) == nl_addr_get_len(mac) &&
            memcmp(nl_addr_get_binary_addr(found), nl_addr_get_binary_addr(mac),
                   nl_addr_get_len(mac)) == 0) {
            nl_object_get(object);
            return link;
        }
    }
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND,
                "Link not found: interface '%s' with address %s", interface->name,
                interface->hwaddr);
    return NULL;
}

bool
coco_interface_is_there(const Types__Interface *interface, GError **error)
{
    g_autoptr(NlSock) sock = coco_netlink_open(error);
    g_autoptr(NlCache) links = sock != NULL ? coco_netlink_links(sock, error) : NULL;
    g_autoptr(NlLink) link = links != NULL ? find_by_mac(links, interface, error) : NULL;

    return link != NULL;
}

/* ---- changing ---- */

static bool
change(NlSock *sock, NlLink *link, NlLink *changes, const char *what, GError **error)
{
    int status = rtnl_link_change(sock, link, changes, 0);

    return status >= 0 ||
           coco_netlink_error(status, error, "interface '%s': %s", rtnl_link_get_name(link), what);
}

static bool
set_down(NlSock *sock, NlLink *link, GError **error)
{
    g_autoptr(NlLink) changes = rtnl_link_alloc();

    if ((rtnl_link_get_flags(link) & IFF_UP) == 0)
        return true;
    rtnl_link_unset_flags(changes, IFF_UP);
    return change(sock, link, changes, "bring down", error);
}

static bool
rename_link(NlSock *sock, NlLink *link, const char *name, GError **error)
{
    g_autoptr(NlLink) changes = rtnl_link_alloc();

    rtnl_link_set_name(changes, name);
    return change(sock, link, changes, "rename", error);
}

/* Takes the name from another link that has it, which is called PASSING_NAME then. *out_other: that
 * link, or NULL. */
static bool
free_name(NlSock *sock, NlCache *links, const NlLink *link, const char *name, NlLink **out_other,
          GError **error)
{
    g_autoptr(NlLink) other = rtnl_link_get_by_name(links, name);

    if (other != NULL &&
        rtnl_link_get_ifindex(other) == rtnl_link_get_ifindex((NlLink *) (uintptr_t) link))
        g_clear_pointer(&other, rtnl_link_put);
    if (other != NULL &&
        (!set_down(sock, other, error) || !rename_link(sock, other, PASSING_NAME, error)))
        return false;
    *out_other = g_steal_pointer(&other);
    return true;
}

/* other: as its flags were. */
static bool
give_name(NlSock *sock, NlLink *other, const char *name, GError **error)
{
    g_autoptr(NlLink) changes = rtnl_link_alloc();

    rtnl_link_set_name(changes, name);
    if ((rtnl_link_get_flags(other) & IFF_UP) != 0)
        rtnl_link_set_flags(changes, IFF_UP);
    return change(sock, other, changes, "rename", error);
}

static bool
set_name_and_mtu(NlSock *sock, NlCache *links, NlLink *link, const Types__Interface *interface,
                 GError **error)
{
    g_autofree char *old_name = g_strdup(rtnl_link_get_name(link));
    g_autoptr(NlLink) changes = rtnl_link_alloc();
    g_autoptr(NlLink) other = NULL;

    rtnl_link_set_name(changes, interface->name);
    if (interface->mtu > 0)
        rtnl_link_set_mtu(changes, (unsigned int) interface->mtu);
    return free_name(sock, links, link, interface->name, &other, error) &&
           change(sock, link, changes, "set name and MTU", error) &&
           (other == NULL || give_name(sock, other, old_name, error));
}

static bool
bring_up(NlSock *sock, NlLink *link, uint32_t raw_flags, GError **error)
{
    g_autoptr(NlLink) changes = rtnl_link_alloc();

    rtnl_link_set_flags(changes, IFF_UP | (raw_flags & IFF_NOARP));
    if ((raw_flags & IFF_NOARP) == 0)
        rtnl_link_unset_flags(changes, IFF_NOARP);
    return change(sock, link, changes, "bring up", error);
}

/* ---- addresses ---- */

static NlCache *
list_addresses(NlSock *sock, GError **error)
{
    NlCache *addresses = NULL;
    int status = rtnl_addr_alloc_cache(sock, &addresses);

    if (status < 0)
        (void) coco_netlink_error(status, error, "list addresses");
    return status < 0 ? NULL : addresses;
}

static bool
remove_addresses(NlSock *sock, int index, const char *name, GError **error)
{
    g_autoptr(NlCache) addresses = list_addresses(sock, error);

    if (addresses == NULL)
        return false;
    for (struct nl_object *object = nl_cache_get_first(addresses); object != NULL;
         object = nl_cache_get_next(object)) {
        NlIfAddr *address = (NlIfAddr *) object;
        int status =
            rtnl_addr_get_ifindex(address) == index ? rtnl_addr_delete(sock, address, 0) : 0;

        /* An address may go with another one whose secondary it is. */
        if (status < 0 && status != -NLE_NOADDR)
            return coco_netlink_error(status, error, "interface '%s': remove addresses", name);
    }
    return true;
}

static NlAddr *
broadcast_of(const NlAddr *address)
{
    uint32_t bits;

    memcpy(&bits, nl_addr_get_binary_addr(address), sizeof bits);
    bits |= GUINT32_TO_BE((uint32_t) (UINT32_MAX >> nl_addr_get_prefixlen(address)));
    return nl_addr_build(AF_INET, &bits, sizeof bits);
}

static bool
add_address(NlSock *sock, int index, const Types__IPAddress *entry, GError **error)
{
    g_autoptr(NlAddr) local = parse_address(entry, error);
    g_autoptr(NlIfAddr) address = rtnl_addr_alloc();
    int status;

    if (local == NULL)
        return false;
    rtnl_addr_set_ifindex(address, index);
    (void) rtnl_addr_set_local(address, local);
    if (nl_addr_get_family(local) == AF_INET6) {
        rtnl_addr_set_flags(address, IFA_F_NODAD);
    } else if (nl_addr_get_prefixlen(local) < 31) {
        g_autoptr(NlAddr) broadcast = broadcast_of(local);

        (void) rtnl_addr_set_broadcast(address, broadcast);
    }
    status = rtnl_addr_add(sock, address, NLM_F_REPLACE);
    return status >= 0 ||
           coco_netlink_error(status, error, "add address %s/%s", entry->address, entry->mask);
}

static bool
add_addresses(NlSock *sock, int index, const Types__Interface *interface, GError **error)
{
    for (size_t i = 0; i < interface->n_ipaddresses; i++) {
        if (!add_address(sock, index, interface->ipaddresses[i], error)) {
            g_prefix_error(error, "interface '%s': ", interface->name);
            return false;
        }
    }
    return true;
}

/* A kernel without IPv6, or an MTU that it cannot be used with: then there is nothing to set. */
static void
set_ipv6(const char *name, const char *key, const char *value)
{
    g_autofree char *path = g_strdup_printf(IPV6_SYSCTL, name, key);
    g_auto(CocoFd) fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        g_debug("%s: %s", path, g_strerror(errno));
}

/* A link-local address that is given replaces the one that the kernel would make. */
static void
prepare_ipv6(const Types__Interface *interface)
{
    set_ipv6(interface->name, "accept_dad", "0");
    for (size_t i = 0; i < interface->n_ipaddresses; i++) {
        if (g_ascii_strncasecmp(interface->ipaddresses[i]->address, "fe80:", 5) == 0)
            set_ipv6(interface->name, "addr_gen_mode", "1");
    }
}

bool
coco_interface_update(const Types__Interface *interface, GError **error)
{
    g_autoptr(NlSock) sock = coco_netlink_open(error);
    g_autoptr(NlCache) links = sock != NULL ? coco_netlink_links(sock, error) : NULL;
    g_autoptr(NlLink) link = links != NULL ? find_by_mac(links, interface, error) : NULL;
    int index = link != NULL ? rtnl_link_get_ifindex(link) : 0;

    if (link == NULL || !set_down(sock, link, error) ||
        !set_name_and_mtu(sock, links, link, interface, error) ||
        !remove_addresses(sock, index, interface->name, error))
        return false;
    prepare_ipv6(interface);
    return bring_up(sock, link, interface->raw_flags, error) &&
           add_addresses(sock, index, interface, error);
}

/* ---- listing ---- */

Types__Interface **
coco_interfaces_list(size_t *out_n, GError **error)
{
    g_autoptr(NlSock) sock = coco_netlink_open(error);
    g_autoptr(NlCache) links = sock != NULL ? coco_netlink_links(sock, error) : NULL;
    g_autoptr(NlCache) addresses = links != NULL ? list_addresses(sock, error) : NULL;
    g_autoptr(GPtrArray) found = NULL;

    if (addresses == NULL)
        return NULL;
    found = g_ptr_array_new();
    for (struct nl_object *object = nl_cache_get_first(links); object != NULL;
         object = nl_cache_get_next(object))
        g_ptr_array_add(found, coco_link_describe((NlLink *) object, addresses, NULL));
    *out_n = found->len;
    g_ptr_array_add(found, NULL);
    return (Types__Interface **) g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

void
coco_interfaces_free(Types__Interface **interfaces, size_t n)
{
    for (size_t i = 0; i < n; i++)
        types__interface__free_unpacked(interfaces[i], NULL);
    g_free(interfaces);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * libnl's calls with GErrors (netlink.h).
 */
#include "guest/network/netlink.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"

bool
coco_netlink_error(int status, GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "%s: %s", what, nl_geterror(status));
    return false;
}

NlSock *
coco_netlink_open(GError **error)
{
    g_autoptr(NlSock) sock = nl_socket_alloc();
    int status = sock != NULL ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;

    if (status < 0) {
        (void) coco_netlink_error(status, error, "open a routing socket");
        return NULL;
    }
    return g_steal_pointer(&sock);
}

NlCache *
coco_netlink_links(NlSock *sock, GError **error)
{
    NlCache *links = NULL;
    int status = rtnl_link_alloc_cache(sock, AF_UNSPEC, &links);

    if (status < 0)
        (void) coco_netlink_error(status, error, "list interfaces");
    return status < 0 ? NULL : links;
}

static NlAddr *
refuse_address(const char *text, GError **error)
{
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT, "'%s' is not an address",
                text);
    return NULL;
}

NlAddr *
coco_netlink_address(const char *text, GError **error)
{
    const char *slash = strchr(text, '/');
    g_autofree char *bare =
        slash != NULL ? g_strndup(text, (size_t) (slash - text)) : g_strdup(text);
    bool is_v6 = strchr(bare, ':') != NULL;
    size_t length = is_v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
    uint8_t bytes[sizeof(struct in6_addr)];
    guint64 prefix = 8 * length;
    NlAddr *address;

    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, bare, bytes) != 1 ||
        (slash != NULL && !g_ascii_string_to_unsigned(slash + 1, 10, 0, 8 * length, &prefix, NULL)))
        return refuse_address(text, error);
    address = nl_addr_build(is_v6 ? AF_INET6 : AF_INET, bytes, length);
    nl_addr_set_prefixlen(address, (int) prefix);
    return address;
}

NlAddr *
coco_netlink_mac(const char *text, GError **error)
{
    uint8_t bytes[ETH_ALEN];

    for (size_t i = 0; i < ETH_ALEN; i++) {
        const char *pair = text + 3 * i;
        char end = i + 1 < ETH_ALEN ? ':' : '\0';

        /* A text that ends too soon ends here, too: its '\0' is no digit. */
        if (!g_ascii_isxdigit(pair[0]) || !g_ascii_isxdigit(pair[1]) || pair[2] != end)
            return refuse_address(text, error);
        bytes[i] = (uint8_t) (g_ascii_xdigit_value(pair[0]) << 4 | g_ascii_xdigit_value(pair[1]));
    }
    return nl_addr_build(AF_LLC, bytes, sizeof bytes);
}

/* libnl's own text has the prefix where it is not the whole address. */
char *
coco_netlink_text(const NlAddr *address)
{
    char text[INET6_ADDRSTRLEN + sizeof "/128"] = "";
    int family = address != NULL ? nl_addr_get_family(address) : AF_UNSPEC;

    if (family == AF_INET || family == AF_INET6)
        (void) inet_ntop(family, nl_addr_get_binary_addr(address), text, sizeof text);
    else if (address != NULL)
        (void) nl_addr2str(address, text, sizeof text);
    return g_strdup(text);
}

char *
coco_netlink_prefix_text(const NlAddr *address)
{
    g_autofree char *text = coco_netlink_text(address);

    return g_strdup_printf("%s/%u", text, nl_addr_get_prefixlen(address));
}

NlLink *
coco_netlink_find_name(NlCache *links, const char *name, GError **error)
{
    NlLink *link = rtnl_link_get_by_name(links, name);

    if (link == NULL)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, "find interface '%s': not there",
                    name);
    return link;
}

bool
coco_netlink_is_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '/' || *c == ':' || g_ascii_isspace(*c))
            return false;
    }
    return *name != '\0' && strlen(name) < IFNAMSIZ && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

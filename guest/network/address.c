// SPDX-License-Identifier: Apache-2.0
/*
 * Parsed by inet_pton() and not by libnl, which also takes words (address.h).
 */
#include "guest/network/address.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"

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

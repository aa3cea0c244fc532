// SPDX-License-Identifier: Apache-2.0
/*
 * libnl's calls with GErrors (netlink.h).
 */
#include "guest-protocol/netlink/netlink.h"

#include <arpa/inet.h>

#include "guest-protocol/proto/ttrpc-error.h"

bool
coco_netlink_error(int status, GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "%s: %s", what, nl_geterror(status));
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

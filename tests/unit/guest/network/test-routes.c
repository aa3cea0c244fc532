// SPDX-License-Identifier: Apache-2.0
/*
 * Routes and neighbours of a network namespace, as the kernel has them afterwards.
 */
#include "guest/network/routes.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/network/interface.h"
#include "tests/unit/guest/network/network-namespace.h"

/* eth0 with 192.0.2.7/24 and 2001:db8::7/64, and its cable's other end, too, up. */
static void
set_up_interface(void)
{
    Types__Interface interface = TYPES__INTERFACE__INIT;
    Types__IPAddress v4;
    Types__IPAddress v6;
    Types__IPAddress *addresses[] = { &v4, &v6 };
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(NlCache) links = NULL;
    g_autoptr(NlLink) peer = NULL;
    g_autoptr(NlLink) changes = rtnl_link_alloc();

    enter_network_namespace();
    types__ipaddress__init(&v4);
    types__ipaddress__init(&v6);
    v4.address = (char *) "192.0.2.7";
    v4.mask = (char *) "24";
    v6.address = (char *) "2001:db8::7";
    v6.mask = (char *) "64";
    interface.name = (char *) "eth0";
    interface.hwaddr = (char *) VETH_MAC;
    interface.ipaddresses = addresses;
    interface.n_ipaddresses = G_N_ELEMENTS(addresses);
    cr_assert(coco_interface_update(&interface, NULL));
    sock = coco_netlink_open(NULL);
    links = coco_netlink_links(sock, NULL);
    peer = coco_netlink_find_name(links, "veth1", NULL);
    rtnl_link_set_flags(changes, 1 /* IFF_UP */);
    cr_assert_geq(rtnl_link_change(sock, peer, changes, 0), 0);
}

static Types__Route
route(const char *dest, const char *gateway, uint32_t scope)
{
    Types__Route made = TYPES__ROUTE__INIT;

    made.dest = (char *) dest;
    made.gateway = (char *) gateway;
    made.device = (char *) "eth0";
    made.scope = scope;
    made.family = strchr(gateway, ':') != NULL || strchr(dest, ':') != NULL ? TYPES__IPFAMILY__v6
                                                                            : TYPES__IPFAMILY__v4;
    return made;
}

static const Types__Route *
find(Types__Route *const *routes, size_t n, const char *dest)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(routes[i]->dest, dest) == 0 && strcmp(routes[i]->device, "eth0") == 0)
            return routes[i];
    }
    return NULL;
}

Test(routes, replace_those_there_are, .timeout = 20)
{
    Types__Route first = route("198.51.100.0/24", "192.0.2.1", 0);
    Types__Route by_link = route("169.254.1.1/32", "", RT_SCOPE_LINK);
    Types__Route by_default = route("", "169.254.1.1", 0);
    Types__Route v6 = route("", "fe80::1", 0);
    Types__Route *const before[] = { &first };
    /* The one through the gateway comes first and needs the other. */
    Types__Route *const after[] = { &by_default, &by_link, &v6, &v6 };
    g_autoptr(GError) error = NULL;
    Types__Route **found;
    size_t n = 0;

    set_up_interface();
    by_default.source = (char *) "192.0.2.7";
    by_default.mtu = 1300;
    by_default.metric = 77;
    cr_assert(coco_routes_update(before, 1, &error), "%s", error != NULL ? error->message : "");
    cr_assert(coco_routes_update(after, 4, &error), "%s", error != NULL ? error->message : "");
    found = coco_routes_list(&n, &error);
    cr_assert_not_null(found);
    cr_expect_null(find(found, n, "198.51.100.0/24"));
    cr_assert_not_null(find(found, n, "0.0.0.0/0"));
    cr_expect_str_eq(find(found, n, "0.0.0.0/0")->gateway, "169.254.1.1");
    cr_expect_str_eq(find(found, n, "0.0.0.0/0")->source, "192.0.2.7");
    cr_expect_eq(find(found, n, "0.0.0.0/0")->mtu, 1300);
    cr_expect_eq(find(found, n, "0.0.0.0/0")->metric, 77);
    cr_expect_eq(find(found, n, "169.254.1.1/32")->scope, RT_SCOPE_LINK);
    cr_expect_str_eq(find(found, n, "::/0")->gateway, "fe80::1");
    cr_expect_not_null(find(found, n, "192.0.2.0/24"), "the kernel's own stays");
    coco_routes_free(found, n);
}

static void
expect_failure(const Types__Route *bad, int code, const char *words)
{
    Types__Route copy = *bad;
    Types__Route *const list[] = { &copy };
    g_autoptr(GError) error = NULL;

    cr_expect_not(coco_routes_update(list, 1, &error));
    cr_assert_not_null(error);
    cr_expect_eq(error->code, code, "%s", error->message);
    cr_expect_not_null(strstr(error->message, words), "'%s' has no '%s'", error->message, words);
}

Test(routes, that_cannot_be, .timeout = 20)
{
    Types__Route far = route("", "203.0.113.1", 0);
    Types__Route nowhere = route("", "192.0.2.1", 0);
    Types__Route words = route("everywhere", "", 0);
    Types__Route onlink = route("", "203.0.113.1", 0);
    Types__Route *const list[] = { &onlink };

    set_up_interface();
    nowhere.device = (char *) "eth9";
    onlink.flags = RTNH_F_ONLINK;
    expect_failure(&far, COCO_TTRPC_INTERNAL, "route to '' by '203.0.113.1' through 'eth0'");
    expect_failure(&nowhere, COCO_TTRPC_NOT_FOUND, "find interface 'eth9'");
    expect_failure(&words, COCO_TTRPC_INVALID_ARGUMENT, "'everywhere' is not an address");
    cr_expect(coco_routes_update(list, 1, NULL));
}

Test(neighbours, are_added, .timeout = 20)
{
    Types__ARPNeighbor entry = TYPES__ARPNEIGHBOR__INIT;
    Types__IPAddress address;
    Types__ARPNeighbor *const list[] = { &entry };
    g_autoptr(GError) error = NULL;
    g_autofree char *arp = NULL;

    set_up_interface();
    types__ipaddress__init(&address);
    entry.device = (char *) "eth0";
    entry.lladdr = (char *) "02:00:00:00:00:33";
    cr_expect_not(coco_neighbours_add(list, 1, &error));
    cr_expect_eq(error->code, COCO_TTRPC_INVALID_ARGUMENT);
    address.address = (char *) "192.0.2.33";
    entry.toipaddress = &address;
    g_clear_error(&error);
    cr_assert(coco_neighbours_add(list, 1, &error), "%s", error != NULL ? error->message : "");
    cr_assert(coco_neighbours_add(list, 1, &error), "the second time it is there");
    cr_assert(g_file_get_contents("/proc/self/net/arp", &arp, NULL, NULL));
    cr_expect_not_null(strstr(arp, "192.0.2.33"));
    cr_expect_not_null(strstr(arp, "0x6")); /* ATF_COM | ATF_PERM */
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A network namespace of the test's own with a pair of virtual cables in it, veth0 with the
 * address VETH_MAC, and veth1.
 *
 * Thread: the test's process is its own.
 */
#pragma once

#include <sched.h>

#include <criterion/criterion.h>
#include <netlink/route/link/veth.h>

#include "guest/network/address.h"

#define VETH_MAC "02:00:00:00:00:01"

/* Skips the test where a process may have none. */
static inline void
enter_network_namespace(void)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(NlCache) links = NULL;
    g_autoptr(NlLink) veth = NULL;
    g_autoptr(NlLink) changes = rtnl_link_alloc();
    g_autoptr(NlAddr) mac = coco_netlink_mac(VETH_MAC, NULL);

    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        cr_skip_test("no network namespace for this user");
    sock = coco_netlink_open(NULL);
    cr_assert_not_null(sock);
    if (rtnl_link_veth_add(sock, "veth0", "veth1", getpid()) < 0)
        cr_skip_test("this kernel has no veth");
    links = coco_netlink_links(sock, NULL);
    veth = coco_netlink_find_name(links, "veth0", NULL);
    cr_assert_not_null(veth);
    rtnl_link_set_addr(changes, mac);
    cr_assert_geq(rtnl_link_change(sock, veth, changes, 0), 0);
}

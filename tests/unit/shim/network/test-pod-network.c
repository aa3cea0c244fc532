// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's network from its namespace: what is found there, what is made, and that undo leaves
 * nothing. In namespaces of the test's own, with virtual cables.
 */
#include "shim/network/pod-network.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/rule.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/network/network-scan.h"
#include "shim/network/tap.h"

#define MAC "02:00:00:00:00:01"

static void
add_address(NlSock *sock, int index, const char *text)
{
    struct rtnl_addr *address = rtnl_addr_alloc();
    NlAddr *local = NULL;

    cr_assert_geq(nl_addr_parse(text, AF_UNSPEC, &local), 0);
    rtnl_addr_set_ifindex(address, index);
    rtnl_addr_set_local(address, local);
    rtnl_addr_set_flags(address, nl_addr_get_family(local) == AF_INET6 ? 2 /* NODAD */ : 0);
    cr_assert_geq(rtnl_addr_add(sock, address, 0), 0);
    nl_addr_put(local);
    rtnl_addr_put(address);
}

static void
add_route(NlSock *sock, int index, const char *to, const char *by, int scope)
{
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    NlAddr *destination = NULL;
    NlAddr *gateway = NULL;

    cr_assert_geq(nl_addr_parse(to, AF_UNSPEC, &destination), 0);
    rtnl_route_set_dst(route, destination);
    rtnl_route_set_scope(route, (uint8_t) scope);
    rtnl_route_nh_set_ifindex(hop, index);
    if (by != NULL) {
        cr_assert_geq(nl_addr_parse(by, AF_UNSPEC, &gateway), 0);
        rtnl_route_nh_set_gateway(hop, gateway);
        nl_addr_put(gateway);
    }
    rtnl_route_add_nexthop(route, hop);
    cr_assert_geq(rtnl_route_add(sock, route, 0), 0, "route to %s", to);
    nl_addr_put(destination);
    rtnl_route_put(route);
}

static void
add_neighbour(NlSock *sock, int index, const char *text)
{
    struct rtnl_neigh *neighbour = rtnl_neigh_alloc();
    NlAddr *address = NULL;
    NlAddr *mac = NULL;

    cr_assert_geq(nl_addr_parse(text, AF_INET, &address), 0);
    cr_assert_geq(nl_addr_parse("02:00:00:00:00:33", AF_LLC, &mac), 0);
    rtnl_neigh_set_ifindex(neighbour, index);
    rtnl_neigh_set_dst(neighbour, address);
    rtnl_neigh_set_lladdr(neighbour, mac);
    rtnl_neigh_set_state(neighbour, NUD_PERMANENT);
    cr_assert_geq(rtnl_neigh_add(sock, neighbour, NLM_F_CREATE), 0);
    nl_addr_put(address);
    nl_addr_put(mac);
    rtnl_neigh_put(neighbour);
}

static void
configure(NlSock *sock, const char *name, const char *mac)
{
    g_autoptr(NlLink) link = NULL;
    g_autoptr(NlLink) changes = rtnl_link_alloc();
    NlAddr *address = NULL;

    cr_assert_geq(rtnl_link_get_kernel(sock, 0, name, &link), 0);
    if (mac != NULL) {
        cr_assert_geq(nl_addr_parse(mac, AF_LLC, &address), 0);
        rtnl_link_set_addr(changes, address);
        nl_addr_put(address);
    }
    rtnl_link_set_mtu(changes, 1400);
    cr_assert_geq(rtnl_link_change(sock, link, changes, 0), 0);
    rtnl_link_set_flags(changes, IFF_UP);
    cr_assert_geq(rtnl_link_change(sock, link, changes, 0), 0);
}

/* A new namespace, in which this process is then, with eth0 and what a CNI plugin would give it. */
static void
enter_pod_namespace(void)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(NlLink) link = NULL;
    int index;

    if (unshare(CLONE_NEWNET) != 0)
        cr_skip_test("no network namespace for this user");
    sock = coco_netlink_open(NULL);
    if (rtnl_link_veth_add(sock, "eth0", "peer0", getpid()) < 0)
        cr_skip_test("this kernel has no veth");
    configure(sock, "eth0", MAC);
    cr_assert_geq(rtnl_link_get_kernel(sock, 0, "eth0", &link), 0);
    index = rtnl_link_get_ifindex(link);
    add_address(sock, index, "192.0.2.7/24");
    add_address(sock, index, "2001:db8::7/64");
    add_route(sock, index, "169.254.1.1/32", NULL, RT_SCOPE_LINK);
    add_route(sock, index, "198.51.100.0/24", "169.254.1.1", RT_SCOPE_UNIVERSE);
    add_neighbour(sock, index, "192.0.2.33");
}

static const Types__Route *
find_route(const GPtrArray *routes, const char *dest)
{
    for (guint i = 0; i < routes->len; i++) {
        const Types__Route *route = g_ptr_array_index(routes, i);

        if (strcmp(route->dest, dest) == 0)
            return route;
    }
    return NULL;
}

Test(network_scan, finds_what_the_guest_is_to_have, .timeout = 20)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(CocoNetworkScan) scan = NULL;
    const Types__Interface *eth0;
    const Types__ARPNeighbor *neighbour;

    enter_pod_namespace();
    sock = coco_netlink_open(NULL);
    scan = coco_network_scan(sock, NULL);
    cr_assert_not_null(scan);
    cr_assert_eq(scan->n_links, 1, "neither the loopback nor a link that nobody uses");
    eth0 = scan->links[0].interface;
    cr_expect_str_eq(eth0->name, "eth0");
    cr_expect_str_eq(eth0->hwaddr, MAC);
    cr_expect_str_eq(eth0->type, "veth");
    cr_expect_eq(eth0->mtu, 1400);
    cr_assert_geq(eth0->n_ipaddresses, 2);
    cr_expect_str_eq(eth0->ipaddresses[0]->address, "192.0.2.7");
    cr_expect_str_eq(eth0->ipaddresses[0]->mask, "24");
    cr_assert_not_null(find_route(scan->routes, "169.254.1.1/32"));
    cr_expect_eq(find_route(scan->routes, "169.254.1.1/32")->scope, RT_SCOPE_LINK);
    cr_expect_str_eq(find_route(scan->routes, "198.51.100.0/24")->gateway, "169.254.1.1");
    cr_expect_str_eq(find_route(scan->routes, "198.51.100.0/24")->device, "eth0");
    cr_expect_null(find_route(scan->routes, "192.0.2.0/24"), "comes with the address");
    cr_assert_eq(scan->neighbours->len, 1);
    neighbour = g_ptr_array_index(scan->neighbours, 0);
    cr_expect_str_eq(neighbour->toipaddress->address, "192.0.2.33");
    cr_expect_str_eq(neighbour->lladdr, "02:00:00:00:00:33");
    cr_expect_eq(scan->warnings->len, 0);
}

/* Redirected, the lower one lets nothing come up. */
Test(network_scan, leaves_out_what_is_above_another, .timeout = 20)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(NlLink) eth0 = NULL;
    g_autoptr(NlLink) above = rtnl_link_macvlan_alloc();
    g_autoptr(CocoNetworkScan) scan = NULL;

    enter_pod_namespace();
    sock = coco_netlink_open(NULL);
    cr_assert_geq(rtnl_link_get_kernel(sock, 0, "eth0", &eth0), 0);
    rtnl_link_set_link(above, rtnl_link_get_ifindex(eth0));
    rtnl_link_set_name(above, "above0");
    if (rtnl_link_add(sock, above, NLM_F_CREATE) < 0)
        cr_skip_test("this kernel has no macvlan");
    configure(sock, "above0", NULL);
    scan = coco_network_scan(sock, NULL);
    cr_assert_eq(scan->n_links, 1);
    cr_expect_str_eq(scan->links[0].interface->name, "eth0");
    cr_assert_eq(scan->warnings->len, 1);
    cr_expect_str_eq(g_ptr_array_index(scan->warnings, 0),
                     "interface 'above0' is not carried into the guest: it is above another one of "
                     "the pod");
}

static void
add_ipsec_policy(void)
{
    struct xfrm_userpolicy_info policy = {
        .sel = { .family = AF_INET },
        .lft = { .soft_byte_limit = XFRM_INF,
                 .hard_byte_limit = XFRM_INF,
                 .soft_packet_limit = XFRM_INF,
                 .hard_packet_limit = XFRM_INF },
        .dir = XFRM_POLICY_OUT,
        .action = XFRM_POLICY_ALLOW,
    };
    g_autoptr(NlSock) sock = nl_socket_alloc();

    if (nl_connect(sock, NETLINK_XFRM) < 0)
        cr_skip_test("this kernel has no IPsec");
    cr_assert_geq(
        nl_send_simple(sock, XFRM_MSG_NEWPOLICY, NLM_F_CREATE | NLM_F_ACK, &policy, sizeof policy),
        0);
    cr_assert_geq(nl_recvmsgs_default(sock), 0);
}

Test(network_scan, names_what_it_does_not_carry, .timeout = 20)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(CocoNetworkScan) scan = NULL;
    struct rtnl_rule *rule = rtnl_rule_alloc();

    enter_pod_namespace();
    sock = coco_netlink_open(NULL);
    rtnl_rule_set_family(rule, AF_INET);
    rtnl_rule_set_prio(rule, 100);
    rtnl_rule_set_table(rule, 200);
    rtnl_rule_set_action(rule, FR_ACT_TO_TBL);
    cr_assert_geq(rtnl_rule_add(sock, rule, NLM_F_CREATE), 0);
    rtnl_rule_put(rule);
    add_ipsec_policy();
    scan = coco_network_scan(sock, NULL);
    cr_assert_eq(scan->warnings->len, 2);
    cr_expect_str_eq(g_ptr_array_index(scan->warnings, 0),
                     "IPsec is not carried into the guest: 1 policies");
    cr_expect_str_eq(g_ptr_array_index(scan->warnings, 1),
                     "policy routing is not carried into the guest: 1 rules, and their tables");
}

/* ---- taps ---- */

static unsigned int
count_links(NlSock *sock)
{
    g_autoptr(NlCache) links = coco_netlink_links(sock, NULL);

    return (unsigned int) nl_cache_nitems(links);
}

static bool
has_ingress(NlSock *sock, int index)
{
    g_autoptr(NlCache) qdiscs = NULL;
    NlQdisc *found;

    cr_assert_geq(rtnl_qdisc_alloc_cache(sock, &qdiscs), 0);
    found = rtnl_qdisc_get_by_parent(qdiscs, index, TC_H_INGRESS);
    if (found != NULL)
        rtnl_qdisc_put(found);
    return found != NULL;
}

Test(tap, is_made_and_undone, .timeout = 20)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(CocoNetworkScan) scan = NULL;
    g_autoptr(GError) error = NULL;
    int fds[2];
    unsigned int before;

    enter_pod_namespace();
    sock = coco_netlink_open(NULL);
    scan = coco_network_scan(sock, NULL);
    before = count_links(sock);
    cr_assert(coco_tap_make(sock, &scan->links[0], fds, 2, &error), "%s",
              error != NULL ? error->message : "");
    cr_expect_eq(count_links(sock), before + 1);
    cr_expect(has_ingress(sock, scan->links[0].index));
    /* The second time there is a redirection already, and it stays. */
    cr_expect_not(coco_tap_make(sock, &scan->links[0], fds, 1, &error));
    cr_assert_not_null(error);
    cr_expect_not_null(strstr(error->message, "'eth0': what arrives there is redirected already"));
    cr_expect(has_ingress(sock, scan->links[0].index));
}

Test(tap, goes_with_its_descriptors, .timeout = 20)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(CocoNetworkScan) scan = NULL;
    int fds[2];
    unsigned int before;

    enter_pod_namespace();
    sock = coco_netlink_open(NULL);
    scan = coco_network_scan(sock, NULL);
    before = count_links(sock);
    cr_assert(coco_tap_make(sock, &scan->links[0], fds, 2, NULL));
    coco_fd_clear(&fds[0]);
    coco_fd_clear(&fds[1]);
    cr_expect_eq(count_links(sock), before);
    cr_expect(coco_tap_undo_all(sock, NULL));
    cr_expect_not(has_ingress(sock, scan->links[0].index));
}

Test(tap, others_redirections_are_left, .timeout = 20)
{
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(CocoNetworkScan) scan = NULL;
    g_autoptr(NlQdisc) qdisc = rtnl_qdisc_alloc();

    enter_pod_namespace();
    sock = coco_netlink_open(NULL);
    scan = coco_network_scan(sock, NULL);
    rtnl_tc_set_ifindex(TC_CAST(qdisc), scan->links[0].index);
    rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_INGRESS);
    (void) rtnl_tc_set_kind(TC_CAST(qdisc), "ingress");
    cr_assert_geq(rtnl_qdisc_add(sock, qdisc, NLM_F_CREATE), 0);
    cr_expect(coco_tap_undo_all(sock, NULL));
    cr_expect(has_ingress(sock, scan->links[0].index));
}

/* ---- the whole, from another namespace ---- */

typedef struct {
    GMainLoop *loop;
    GError *error;
} Outcome;

static void
on_done(const GError *error, void *user_data)
{
    Outcome *outcome = user_data;

    g_clear_error(&outcome->error);
    outcome->error = error != NULL ? g_error_copy(error) : NULL;
    g_main_loop_quit(outcome->loop);
}

/* The path of the pod's namespace, while this process is in another one. */
static char *
pod_namespace(void)
{
    int fd;

    enter_pod_namespace();
    fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(unshare(CLONE_NEWNET), 0);
    return g_strdup_printf("/proc/%d/fd/%d", getpid(), fd);
}

Test(pod_network, from_the_first_look_to_the_last_undo, .timeout = 20)
{
    g_autofree char *path = pod_namespace();
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(CocoSignals) signals = coco_signals_new(NULL, NULL, NULL);
    g_autoptr(CocoPodNetwork) network = coco_pod_network_new(signals);
    Outcome outcome = { .loop = loop };
    const int *taps;
    unsigned int n = 0;
    g_auto(CocoFd) own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    g_auto(CocoFd) pod = open(path, O_RDONLY | O_CLOEXEC);
    g_autoptr(NlSock) sock = NULL;

    coco_pod_network_set_up(network, path, 2, on_done, &outcome);
    g_main_loop_run(loop);
    cr_assert_null(outcome.error, "%s", outcome.error != NULL ? outcome.error->message : "");
    cr_assert_eq(coco_pod_network_count(network), 1);
    cr_expect_str_eq(coco_pod_network_interface(network, 0)->hwaddr, MAC);
    taps = coco_pod_network_taps(network, 0, &n);
    cr_assert_eq(n, 2);
    cr_expect_eq(fcntl(taps[1], F_GETFD), FD_CLOEXEC);
    cr_expect_eq(coco_pod_network_routes(network)->n_routes, 2);
    cr_expect_eq(coco_pod_network_neighbours(network)->n_arpneighbors, 1);
    coco_pod_network_set_place(network, 0, "19/00");
    coco_pod_network_set_place(network, 0, "19.1/00");
    cr_expect_str_eq(coco_pod_network_interface(network, 0)->devicepath, "19.1/00");
    coco_pod_network_close_taps(network);
    coco_pod_network_undo(network, on_done, &outcome);
    g_main_loop_run(loop);
    cr_assert_null(outcome.error, "%s", outcome.error != NULL ? outcome.error->message : "");
    /* As it was: loopback and cable, whose interface is not redirected. */
    cr_assert(coco_pod_network_undo_here(path, NULL));
    cr_assert_eq(setns(pod, CLONE_NEWNET), 0);
    sock = coco_netlink_open(NULL);
    cr_expect_eq(count_links(sock), 3);
    cr_expect_not(has_ingress(sock, 2));
    cr_expect_not(has_ingress(sock, 3));
    cr_assert_eq(setns(own, CLONE_NEWNET), 0);
}

static void
expect_refused(const char *path, int code, const char *words)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(CocoSignals) signals = coco_signals_new(NULL, NULL, NULL);
    g_autoptr(CocoPodNetwork) network = coco_pod_network_new(signals);
    Outcome outcome = { .loop = loop };

    coco_pod_network_set_up(network, path, 1, on_done, &outcome);
    g_main_loop_run(loop);
    cr_assert_not_null(outcome.error);
    cr_expect_eq(outcome.error->code, code, "%s", outcome.error->message);
    cr_expect_not_null(strstr(outcome.error->message, words), "'%s' has no '%s'",
                       outcome.error->message, words);
    g_clear_error(&outcome.error);
}

Test(pod_network, what_is_no_namespace_for_a_pod, .timeout = 20)
{
    expect_refused("/proc/self/ns/net", COCO_TTRPC_FAILED_PRECONDITION,
                   "'/proc/self/ns/net' is the host's: a VM cannot share it");
    expect_refused("/nonexistent", COCO_TTRPC_INVALID_ARGUMENT,
                   "open network namespace '/nonexistent': No such file or directory");
    if (geteuid() == 0)
        expect_refused("/dev/null", COCO_TTRPC_INVALID_ARGUMENT,
                       "enter network namespace '/dev/null': Invalid argument");
}

Test(pod_network, qemus_own)
{
    g_autoptr(CocoPodNetwork) network = coco_pod_network_new(NULL);
    unsigned int n = 1;

    coco_pod_network_set_user(network);
    cr_assert_eq(coco_pod_network_count(network), 1);
    (void) coco_pod_network_taps(network, 0, &n);
    cr_expect_eq(n, 0);
    cr_expect_str_eq(coco_pod_network_interface(network, 0)->ipaddresses[0]->address, "10.0.2.15");
    cr_expect_str_eq(coco_pod_network_routes(network)->routes[0]->gateway, "10.0.2.2");
    coco_pod_network_set_place(network, 0, "19/00");
}

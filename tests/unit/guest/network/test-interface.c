// SPDX-License-Identifier: Apache-2.0
/*
 * Interfaces of a network namespace: what is refused, and what the kernel has afterwards.
 */
#include "guest/network/interface.h"

#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/network/interface-wait.h"
#include "tests/unit/guest/network/network-namespace.h"

typedef struct {
    Types__Interface interface;
    Types__IPAddress v4;
    Types__IPAddress v6;
    Types__IPAddress *addresses[2];
} Sample;

static Sample *
sample(void)
{
    Sample *made = g_new(Sample, 1);

    types__interface__init(&made->interface);
    types__ipaddress__init(&made->v4);
    types__ipaddress__init(&made->v6);
    made->v4.address = (char *) "192.0.2.7";
    made->v4.mask = (char *) "24";
    made->v6.family = TYPES__IPFAMILY__v6;
    made->v6.address = (char *) "2001:db8::7";
    made->v6.mask = (char *) "64";
    made->addresses[0] = &made->v4;
    made->addresses[1] = &made->v6;
    made->interface.name = (char *) "eth0";
    made->interface.hwaddr = (char *) VETH_MAC;
    made->interface.mtu = 1400;
    made->interface.ipaddresses = made->addresses;
    made->interface.n_ipaddresses = 2;
    return made;
}

static void
expect_refused(const Types__Interface *interface, const char *words)
{
    g_autoptr(GError) error = NULL;

    cr_expect_not(coco_interface_check(interface, &error));
    cr_assert_not_null(error, "%s", words);
    cr_expect_eq(error->code, COCO_TTRPC_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(error->message, words), "'%s' has no '%s'", error->message, words);
}

Test(interface, requests_that_make_no_sense)
{
    static const char *const names[] = { "",    "lo",  ".",   "..",
                                         "a/b", "a b", "a:b", "a-name-that-is-too-long" };
    static const char *const macs[] = { "",
                                        "02:00:00:00:00",
                                        "02:00:00:00:00:01:02",
                                        "02-00-00-00-00-01",
                                        "0g:00:00:00:00:01",
                                        "2:0:0:0:0:1" };
    g_autofree Sample *request = sample();
    Types__Interface *interface = &request->interface;

    cr_expect(coco_interface_check(interface, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        interface->name = (char *) names[i];
        expect_refused(interface, "not a name");
    }
    interface->name = (char *) "eth0";
    for (size_t i = 0; i < G_N_ELEMENTS(macs); i++) {
        interface->hwaddr = (char *) macs[i];
        expect_refused(interface, "is not an address");
    }
    interface->hwaddr = (char *) VETH_MAC;
    interface->mtu = 65536;
    expect_refused(interface, "MTU");
    interface->mtu = 1500;
    request->v4.mask = (char *) "33";
    expect_refused(interface, "'192.0.2.7/33' is not an address");
    request->v4.mask = (char *) "";
    expect_refused(interface, "is not an address");
}

static const Types__Interface *
find(Types__Interface *const *interfaces, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(interfaces[i]->name, name) == 0)
            return interfaces[i];
    }
    return NULL;
}

static bool
has_address(const Types__Interface *interface, const char *address, const char *mask)
{
    for (size_t i = 0; i < interface->n_ipaddresses; i++) {
        if (strcmp(interface->ipaddresses[i]->address, address) == 0 &&
            strcmp(interface->ipaddresses[i]->mask, mask) == 0)
            return true;
    }
    return false;
}

Test(interface, is_found_by_its_hardware_address_and_made_what_is_asked, .timeout = 20)
{
    g_autofree Sample *request = sample();
    g_autoptr(GError) error = NULL;
    Types__Interface **all;
    const Types__Interface *eth0;
    size_t n = 0;

    enter_network_namespace();
    cr_assert(coco_interface_update(&request->interface, &error), "%s",
              error != NULL ? error->message : "");
    /* The second time there are addresses that have to go. */
    request->v4.address = (char *) "192.0.2.8";
    cr_assert(coco_interface_update(&request->interface, &error), "%s",
              error != NULL ? error->message : "");
    all = coco_interfaces_list(&n, &error);
    cr_assert_not_null(all);
    eth0 = find(all, n, "eth0");
    cr_assert_not_null(eth0);
    cr_expect_str_eq(eth0->hwaddr, VETH_MAC);
    cr_expect_eq(eth0->mtu, 1400);
    cr_expect(has_address(eth0, "192.0.2.8", "24"));
    cr_expect_not(has_address(eth0, "192.0.2.7", "24"));
    cr_expect(has_address(eth0, "2001:db8::7", "64"));
    coco_interfaces_free(all, n);
}

Test(interface, takes_its_name_from_another_one, .timeout = 20)
{
    g_autofree Sample *request = sample();
    g_autoptr(GError) error = NULL;
    Types__Interface **all;
    size_t n = 0;

    enter_network_namespace();
    request->interface.name = (char *) "veth1";
    cr_assert(coco_interface_update(&request->interface, &error), "%s",
              error != NULL ? error->message : "");
    all = coco_interfaces_list(&n, &error);
    cr_expect_str_eq(find(all, n, "veth1")->hwaddr, VETH_MAC);
    cr_expect_str_neq(find(all, n, "veth0")->hwaddr, VETH_MAC);
    coco_interfaces_free(all, n);
}

Test(interface, a_link_local_address_replaces_the_kernels_own, .timeout = 20)
{
    g_autofree Sample *request = sample();
    g_autoptr(GError) error = NULL;
    Types__Interface **all;
    size_t n = 0;

    enter_network_namespace();
    request->v6.address = (char *) "fe80::7";
    cr_assert(coco_interface_update(&request->interface, &error), "%s",
              error != NULL ? error->message : "");
    all = coco_interfaces_list(&n, &error);
    cr_expect_eq(find(all, n, "eth0")->n_ipaddresses, 2);
    cr_expect(has_address(find(all, n, "eth0"), "fe80::7", "64"));
    coco_interfaces_free(all, n);
}

/* ---- waiting ---- */

typedef struct {
    bool done;
    int code; /* -1: none */
} Outcome;

static void
on_waited(const GError *error, void *user_data)
{
    Outcome *outcome = user_data;

    outcome->done = true;
    outcome->code = error != NULL ? error->code : -1;
}

static Outcome
wait_for(const char *mac, unsigned int timeout_ms, bool cancel)
{
    g_autofree Sample *request = sample();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Outcome outcome = { 0 };

    request->interface.hwaddr = (char *) mac;
    coco_interface_wait(&request->interface, timeout_ms, cancellable, on_waited, &outcome);
    if (cancel)
        g_cancellable_cancel(cancellable);
    while (!outcome.done)
        (void) g_main_context_iteration(NULL, TRUE);
    return outcome;
}

Test(interface, is_waited_for, .timeout = 20)
{
    enter_network_namespace();
    cr_expect_eq(wait_for(VETH_MAC, 10000, false).code, -1);
    cr_expect_eq(wait_for("02:00:00:00:00:99", 1, false).code, COCO_TTRPC_NOT_FOUND);
    cr_expect_eq(wait_for("02:00:00:00:00:99", 10000, true).code, COCO_TTRPC_CANCELLED);
}

static gboolean
make_cable(void *user_data)
{
    g_autoptr(NlSock) sock = coco_netlink_open(NULL);
    g_autoptr(NlLink) link = rtnl_link_veth_alloc();
    g_autoptr(NlAddr) mac = coco_netlink_mac("02:00:00:00:00:99", NULL);

    rtnl_link_set_name(link, "late");
    rtnl_link_set_addr(link, mac);
    cr_assert_geq(rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL), 0);
    return G_SOURCE_REMOVE;
}

Test(interface, is_seen_when_it_comes, .timeout = 20)
{
    if (geteuid() != 0)
        cr_skip_test("device events are told to root's namespaces only");
    enter_network_namespace();
    (void) g_idle_add(make_cable, NULL);
    cr_expect_eq(wait_for("02:00:00:00:00:99", 10000, false).code, -1);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Taps, and filters that lead to them (tap.h).
 *
 * u32 with an empty key matches every packet and is in every kernel that has filters at all;
 * matchall is not. Our filters are known by their priority.
 */
#include "shim/network/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <netlink/route/act/mirred.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/tc.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define TUN_DEVICE "/dev/net/tun"
#define TAP_NAMES "cocotap%d" /* the kernel counts */
#define PRIORITY 0xc0c0
#define INGRESS_HANDLE TC_HANDLE(0xffff, 0)
#define ADDRESSES_OF_NONE 1 /* IN6_ADDR_GEN_MODE_NONE: it needs no address of its own */

static bool
fail(GError **error, const CocoScannedLink *link, const char *what)
{
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, "interface '%s': %s: %s",
                link->interface->name, what, g_strerror(errno));
    return false;
}

/* ---- the tap ---- */

/* name: in and out. */
static int
open_queue(char name[IFNAMSIZ], bool is_one_of_several)
{
    g_auto(CocoFd) fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = { 0 };

    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (is_one_of_several)
        request.ifr_flags = (short) (request.ifr_flags | IFF_MULTI_QUEUE);
    (void) g_strlcpy(request.ifr_name, name, IFNAMSIZ);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        return -1;
    (void) g_strlcpy(name, request.ifr_name, IFNAMSIZ);
    return coco_fd_steal(&fd);
}

static void
close_all(int *fds, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++)
        coco_fd_clear(&fds[i]);
}

static bool
open_tap(const CocoScannedLink *link, char name[IFNAMSIZ], int *out_fds, unsigned int n,
         GError **error)
{
    (void) g_strlcpy(name, TAP_NAMES, IFNAMSIZ);
    for (unsigned int i = 0; i < n; i++) {
        out_fds[i] = open_queue(name, n > 1);
        if (out_fds[i] < 0) {
            (void) fail(error, link, "make a tap with " TUN_DEVICE);
            close_all(out_fds, i);
            return false;
        }
    }
    return true;
}

/* The tap's MTU is the interface's; and it is up. *out_index: its. */
static bool
bring_up(NlSock *sock, const CocoScannedLink *link, const char *name, int *out_index,
         GError **error)
{
    g_autoptr(NlLink) tap = NULL;
    g_autoptr(NlLink) changes = rtnl_link_alloc();
    int status = rtnl_link_get_kernel(sock, 0, name, &tap);

    if (status < 0)
        return coco_netlink_error(status, error, "find tap '%s'", name);
    rtnl_link_set_mtu(changes, (unsigned int) link->interface->mtu);
    (void) rtnl_link_inet6_set_addr_gen_mode(changes, ADDRESSES_OF_NONE);
    status = rtnl_link_change(sock, tap, changes, 0);
    if (status >= 0) {
        rtnl_link_set_flags(changes, IFF_UP);
        status = rtnl_link_change(sock, tap, changes, 0);
    }
    *out_index = rtnl_link_get_ifindex(tap);
    return status >= 0 || coco_netlink_error(status, error, "bring up tap '%s'", name);
}

/* ---- the way between the two ---- */

static NlQdisc *
ingress_of(int index)
{
    NlQdisc *qdisc = rtnl_qdisc_alloc();

    rtnl_tc_set_ifindex(TC_CAST(qdisc), index);
    rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_INGRESS);
    rtnl_tc_set_handle(TC_CAST(qdisc), INGRESS_HANDLE);
    (void) rtnl_tc_set_kind(TC_CAST(qdisc), "ingress");
    return qdisc;
}

static void
remove_ingress(NlSock *sock, int index)
{
    g_autoptr(NlQdisc) qdisc = ingress_of(index);

    (void) rtnl_qdisc_delete(sock, qdisc);
}

/* (transfer full) */
static NlFilter *
filter_to(int from, int to)
{
    NlFilter *filter = rtnl_cls_alloc();
    g_autoptr(NlAction) action = rtnl_act_alloc();

    (void) rtnl_tc_set_kind(TC_CAST(action), "mirred");
    (void) rtnl_mirred_set_action(action, TCA_EGRESS_REDIR);
    (void) rtnl_mirred_set_policy(action, TC_ACT_STOLEN);
    (void) rtnl_mirred_set_ifindex(action, (uint32_t) to);
    rtnl_tc_set_ifindex(TC_CAST(filter), from);
    rtnl_tc_set_parent(TC_CAST(filter), INGRESS_HANDLE);
    (void) rtnl_tc_set_kind(TC_CAST(filter), "u32");
    rtnl_cls_set_prio(filter, PRIORITY);
    rtnl_cls_set_protocol(filter, ETH_P_ALL);
    (void) rtnl_u32_add_key_uint32(filter, 0, 0, 0, 0);
    (void) rtnl_u32_set_cls_terminal(filter);
    (void) rtnl_u32_add_action(filter, action);
    return filter;
}

static bool
redirect(NlSock *sock, int from, int to, const char *name, GError **error)
{
    g_autoptr(NlQdisc) qdisc = ingress_of(from);
    g_autoptr(NlFilter) filter = filter_to(from, to);
    int status = rtnl_qdisc_add(sock, qdisc, NLM_F_CREATE | NLM_F_EXCL);

    if (status == -NLE_EXIST) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "interface '%s': what arrives there is redirected already", name);
        return false;
    }
    if (status < 0)
        return coco_netlink_error(status, error, "interface '%s': add ingress qdisc", name);
    status = rtnl_cls_add(sock, filter, NLM_F_CREATE | NLM_F_EXCL);
    if (status >= 0)
        return true;
    remove_ingress(sock, from);
    return coco_netlink_error(status, error, "interface '%s': add filter", name);
}

bool
coco_tap_make(NlSock *sock, const CocoScannedLink *link, int *out_fds, unsigned int n,
              GError **error)
{
    char name[IFNAMSIZ];
    int index = 0;

    if (!open_tap(link, name, out_fds, n, error))
        return false;
    /* The second way goes with the tap. */
    if (bring_up(sock, link, name, &index, error) &&
        redirect(sock, index, link->index, name, error) &&
        redirect(sock, link->index, index, link->interface->name, error))
        return true;
    close_all(out_fds, n);
    return false;
}

/* ---- undo ---- */

static bool
has_filter_of_ours(NlSock *sock, int index)
{
    g_autoptr(NlCache) filters = NULL;

    if (rtnl_cls_alloc_cache(sock, index, INGRESS_HANDLE, &filters) < 0)
        return false;
    for (struct nl_object *object = nl_cache_get_first(filters); object != NULL;
         object = nl_cache_get_next(object)) {
        if (rtnl_cls_get_prio((NlFilter *) object) == PRIORITY)
            return true;
    }
    return false;
}

bool
coco_tap_undo_all(NlSock *sock, GError **error)
{
    g_autoptr(NlCache) links = coco_netlink_links(sock, error);

    if (links == NULL)
        return false;
    for (struct nl_object *object = nl_cache_get_first(links); object != NULL;
         object = nl_cache_get_next(object)) {
        int index = rtnl_link_get_ifindex((NlLink *) object);

        if (has_filter_of_ours(sock, index))
            remove_ingress(sock, index);
    }
    return true;
}

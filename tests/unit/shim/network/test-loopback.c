// SPDX-License-Identifier: Apache-2.0
/*
 * What listens on every port of a namespace's loopback, and on nothing else, and is gone with its
 * descriptors.
 */
#include "shim/network/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"

#define OTHER "192.0.2.7" /* of the loopback, and not 127 */

static void
enter_namespace(void)
{
    struct ifreq request = { .ifr_name = "lo:1" };
    struct sockaddr_in address = { .sin_family = AF_INET };
    g_auto(CocoFd) fd = -1;

    if (unshare(CLONE_NEWNET) != 0)
        cr_skip_test("no network namespace for this user");
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(inet_pton(AF_INET, OTHER, &address.sin_addr), 1);
    memcpy(&request.ifr_addr, &address, sizeof address);
    cr_assert_eq(ioctl(fd, SIOCSIFADDR, &request), 0);
    (void) g_strlcpy(request.ifr_name, "lo", IFNAMSIZ);
    request.ifr_flags = IFF_UP;
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

/* -1: refused. */
static int
connect_to(const char *text, uint16_t port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    bool is_v4 = inet_pton(AF_INET, text, &v4.sin_addr) == 1;
    g_auto(CocoFd) fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) inet_pton(AF_INET6, text, &v6.sin6_addr);
    return connect(fd, is_v4 ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6,
                   is_v4 ? sizeof v4 : sizeof v6) == 0
               ? coco_fd_steal(&fd)
               : -1;
}

static void
expect_accepted(int listener, const char *text, uint16_t port)
{
    g_auto(CocoFd) out = connect_to(text, port);
    g_auto(CocoFd) in = -1;
    struct sockaddr_in6 name = { 0 };
    socklen_t length = sizeof name;

    cr_assert_geq(out, 0, "%s:%u", text, port);
    in = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(in, 0, "%s:%u", text, port);
    cr_assert_eq(getsockname(in, (struct sockaddr *) &name, &length), 0);
    cr_expect_eq(ntohs(name.sin6_port), port); /* IPv4's is at the same place */
}

Test(loopback, every_port_and_nothing_else, .timeout = 20)
{
    g_autoptr(GError) error = NULL;
    int fds[COCO_LOOPBACK_FDS_MAX];
    unsigned int n = 0;

    enter_namespace();
    if (!coco_loopback_listen(fds, &n, &error))
        cr_skip_test("this kernel or user has no such program");
    expect_accepted(fds[1], "127.0.0.1", 80);
    expect_accepted(fds[1], "127.1.2.3", 65535);
    if (n == 3)
        expect_accepted(fds[2], "::1", 1);
    cr_expect_eq(connect_to(OTHER, 80), -1);
    cr_expect_eq(errno, ECONNREFUSED);
    for (unsigned int i = 0; i < n; i++)
        coco_fd_clear(&fds[i]);
    cr_expect_eq(connect_to("127.0.0.1", 80), -1);
    cr_expect_eq(errno, ECONNREFUSED);
}

Test(loopback, twice_in_a_namespace, .timeout = 20)
{
    int first[COCO_LOOPBACK_FDS_MAX];
    int second[COCO_LOOPBACK_FDS_MAX];
    unsigned int n = 0;

    enter_namespace();
    if (!coco_loopback_listen(first, &n, NULL))
        cr_skip_test("this kernel or user has no such program");
    cr_assert(coco_loopback_listen(second, &n, NULL)); /* a pod that is made again */
    for (unsigned int i = 0; i < n; i++)
        coco_fd_clear(&first[i]);
    expect_accepted(second[1], "127.0.0.1", 80);
}

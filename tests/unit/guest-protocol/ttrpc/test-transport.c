// SPDX-License-Identifier: Apache-2.0
/*
 * Connecting and listening over unix sockets; vsock only as far as it goes without a guest.
 */
#include "guest-protocol/ttrpc/transport.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include <criterion/criterion.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "tests/unit/guest-protocol/raw-peer.h"

typedef struct {
    bool done;
    int fd;
    GError *error;
} Result;

static char *dir, *path, *address;

static void
setup(void)
{
    dir = g_dir_make_tmp("coco-XXXXXX", NULL);
    path = g_build_filename(dir, "s", NULL);
    address = g_strconcat("unix://", path, NULL);
}

static void
teardown(void)
{
    g_unlink(path);
    g_rmdir(dir);
    g_free(dir);
    g_free(path);
    g_free(address);
}

static void
on_done(GObject *source, GAsyncResult *result, void *user_data)
{
    Result *r = user_data;

    r->fd = coco_transport_connect_finish(result, &r->error);
    cr_assert((r->fd < 0) == (r->error != NULL));
    r->done = true;
}

static void
expect_error(Result *r, CocoTtrpcCode code, const char *part)
{
    run_until(&r->done);
    cr_assert_not_null(r->error);
    cr_assert(g_error_matches(r->error, COCO_TTRPC_ERROR, (int) code), "%d: %s", r->error->code,
              r->error->message);
    cr_assert_not_null(strstr(r->error->message, part), "%s", r->error->message);
    g_clear_error(&r->error);
    r->done = false;
}

TestSuite(transport, .init = setup, .fini = teardown, .timeout = 60);

Test(transport, connects)
{
    Result r = { 0 };
    g_auto(CocoFd) listener = coco_transport_listen(address, NULL);

    cr_assert_geq(listener, 0);
    coco_transport_connect_async(address, 0, NULL, on_done, &r);
    cr_assert(!r.done);
    run_until(&r.done);
    cr_assert_eq(fcntl(r.fd, F_GETFD), FD_CLOEXEC);
    cr_assert_neq(fcntl(r.fd, F_GETFL) & O_NONBLOCK, 0);
    coco_fd_clear(&r.fd);
}

static gboolean
on_time_to_listen(void *user_data)
{
    *(int *) user_data = coco_transport_listen(address, NULL);
    return G_SOURCE_REMOVE;
}

Test(transport, waits_for_who_comes_late)
{
    Result r = { 0 };
    g_auto(CocoFd) listener = -1;

    coco_transport_connect_async(address, 5 * G_USEC_PER_SEC, NULL, on_done, &r);
    g_timeout_add(50, on_time_to_listen, &listener);
    run_until(&r.done);
    cr_assert_geq(r.fd, 0);
    coco_fd_clear(&r.fd);
}

Test(transport, gives_up_at_the_deadline)
{
    Result r = { 0 };

    coco_transport_connect_async(address, 50000, NULL, on_done, &r);
    expect_error(&r, COCO_TTRPC_DEADLINE_EXCEEDED, "nobody there within 0.05 s (No such file");
}

Test(transport, can_be_cancelled)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Result r = { 0 };

    coco_transport_connect_async(address, 0, cancellable, on_done, &r);
    run_for_ms(30);
    cr_assert(!r.done);
    g_cancellable_cancel(cancellable);
    expect_error(&r, COCO_TTRPC_CANCELLED, "cancelled");
}

Test(transport, refuses_addresses_that_make_no_sense)
{
    g_autofree char *longer = g_strnfill(108, 'a');
    g_autofree char *too_long = g_strconcat("unix://", longer, NULL);
    const char *const bad[] = {
        "",
        "/run/x",
        "unix://",
        "vsock://",
        "vsock://3",
        "vsock://:1",
        "vsock://3:",
        "vsock://3:1024x",
        "vsock://-2:1",
        "vsock://3:-1",
        "vsock://4294967296:1",
        too_long,
    };

    for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        Result r = { 0 };

        coco_transport_connect_async(bad[i], 0, NULL, on_done, &r);
        expect_error(&r, COCO_TTRPC_INVALID_ARGUMENT, bad[i]);
        cr_assert_eq(coco_transport_listen(bad[i], &error), -1);
        cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
    }
}

Test(transport, a_final_error_is_not_tried_again)
{
    Result r = { 0 };

    /* A socket of another type listens there: EPROTOTYPE. */
    g_auto(CocoFd) datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    GSocketAddress *where = g_unix_socket_address_new(path);
    uint8_t native[128];

    cr_assert(g_socket_address_to_native(where, native, sizeof native, NULL));
    cr_assert_eq(
        bind(datagram, (void *) native, (socklen_t) g_socket_address_get_native_size(where)), 0);
    g_object_unref(where);
    coco_transport_connect_async(address, 0, NULL, on_done, &r);
    expect_error(&r, COCO_TTRPC_UNAVAILABLE, path);
}

Test(transport, a_stale_socket_is_the_callers_to_judge)
{
    g_autoptr(GError) error = NULL;
    g_auto(CocoFd) listener = coco_transport_listen(address, NULL);

    coco_fd_clear(&listener);
    cr_assert_eq(coco_transport_listen(address, &error), -1);
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE));
    cr_assert_not_null(strstr(error->message, "Address already in use"));
}

Test(transport, vsock_without_a_guest_ends_with_an_error)
{
    Result r = { 0 };

    coco_transport_connect_async("vsock://4000000:1024", 50000, NULL, on_done, &r);
    run_until(&r.done);
    cr_assert(r.error->code == COCO_TTRPC_DEADLINE_EXCEEDED ||
              r.error->code == COCO_TTRPC_UNAVAILABLE);
    g_clear_error(&r.error);
}

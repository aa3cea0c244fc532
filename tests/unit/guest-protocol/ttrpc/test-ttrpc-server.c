// SPDX-License-Identifier: Apache-2.0
/*
 * The server against a raw client: each rule of the wire, hostile clients, and the life of calls.
 */
#include "guest-protocol/ttrpc/ttrpc-server.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/transport.h"
#include "guest-protocol/ttrpc/ttrpc-message.h"
#include "tests/unit/guest-protocol/echo-service.h"
#include "tests/unit/guest-protocol/raw-peer.h"

static EchoService echo;
static CocoTtrpcServer *server;
static RawPeer peer;
static bool closed;
static unsigned int left;

static void
on_server_closed(CocoTtrpcServer *self, unsigned int n_left, void *user_data)
{
    cr_assert_eq(self, server);
    cr_assert_eq(user_data, &closed);
    closed = true;
    left = n_left;
}

static void
setup(void)
{
    echo = (EchoService){ .parked = g_ptr_array_new() };
    server = coco_ttrpc_server_new();
    coco_ttrpc_server_add_service(server, &echo_service, &echo);
    coco_ttrpc_server_set_closed_func(server, on_server_closed, &closed);
    coco_ttrpc_server_add_connection(server, raw_peer_init(&peer));
}

static void
teardown(void)
{
    while (echo.parked->len > 0)
        coco_ttrpc_call_reply(g_ptr_array_steal_index(echo.parked, 0), NULL);
    coco_ttrpc_server_free(server);
    raw_peer_clear(&peer);
    run_pending();
    g_ptr_array_unref(echo.parked);
}

TestSuite(server, .init = setup, .fini = teardown, .timeout = 60);

static void
send_call(RawPeer *to, uint32_t id, const char *service, const char *method, int64_t timeout_nano,
          const char *text)
{
    Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
    g_autofree char *copy = g_strdup(text);
    g_autofree uint8_t *frame = NULL;
    size_t length;

    request.container_id = copy;
    frame = coco_ttrpc_request_encode(id, service, method, timeout_nano, NULL, &request.base,
                                      &length, NULL);
    raw_peer_send(to, frame, length);
}

static void
expect_status(RawPeer *from, uint32_t id, unsigned int code, const char *text)
{
    CocoTtrpcFrame frame = raw_peer_receive(from);
    g_auto(CocoTtrpcResponse) response = { 0 };

    cr_assert_eq(frame.type, COCO_TTRPC_RESPONSE);
    cr_assert_eq(frame.flags, 0);
    cr_assert_eq(frame.stream_id, id, "answer to %u, not %u", frame.stream_id, id);
    cr_assert(coco_ttrpc_response_decode(frame.payload, frame.length, &response, NULL));
    cr_assert_eq(response.code, code, "code %u: %s", response.code, response.text);
    if (text != NULL)
        cr_assert_str_eq(response.text, text);
}

/* The connection still works. */
static void
expect_alive(uint32_t id)
{
    send_call(&peer, id, "test.Echo", "Fail", 0, "alive");
    expect_status(&peer, id, COCO_TTRPC_NOT_FOUND, "alive");
}

static CocoTtrpcCall *
park(uint32_t id, int64_t timeout_nano)
{
    unsigned int before = echo.parked->len;

    send_call(&peer, id, "test.Echo", "Park", timeout_nano, "x");
    while (echo.parked->len == before)
        g_main_context_iteration(NULL, TRUE);
    return echo.parked->pdata[before];
}

Test(server, an_empty_reply_is_a_frame_of_length_zero)
{
    park(1, 0);
    coco_ttrpc_call_reply(g_ptr_array_steal_index(echo.parked, 0), NULL);
    cr_assert_eq(raw_peer_receive(&peer).length, 0);
}

Test(server, even_stream_ids_are_refused)
{
    send_call(&peer, 2, "test.Echo", "Fail", 0, "x");
    expect_status(&peer, 2, COCO_TTRPC_INVALID_ARGUMENT,
                  "StreamID must be odd for client initiated streams");
    raw_peer_send_frame(&peer, 0, COCO_TTRPC_DATA, 0, "", 0);
    expect_status(&peer, 0, COCO_TTRPC_INVALID_ARGUMENT,
                  "StreamID must be odd for client initiated streams");
    expect_alive(1);
}

Test(server, stream_ids_must_grow)
{
    expect_alive(5);
    send_call(&peer, 5, "test.Echo", "Fail", 0, "x");
    expect_status(&peer, 5, COCO_TTRPC_INVALID_ARGUMENT,
                  "StreamID cannot be re-used and must increment");
    send_call(&peer, 3, "test.Echo", "Fail", 0, "x");
    expect_status(&peer, 3, COCO_TTRPC_INVALID_ARGUMENT,
                  "StreamID cannot be re-used and must increment");
    expect_alive(7);
}

Test(server, a_request_that_does_not_decode_is_refused)
{
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_REQUEST, 0, "\xff\xff", 2);
    expect_status(&peer, 1, COCO_TTRPC_INVALID_ARGUMENT, "unmarshal request: does not decode");
    expect_alive(3);
}

Test(server, a_payload_that_does_not_decode_is_refused)
{
    static const uint8_t frame[] = "\x0a\x09test.Echo\x12\x04"
                                   "Fail\x1a\x01\xff";

    raw_peer_send_frame(&peer, 1, COCO_TTRPC_REQUEST, 0, frame, sizeof frame - 1);
    expect_status(&peer, 1, COCO_TTRPC_INVALID_ARGUMENT,
                  "grpc.StartContainerRequest: does not decode");
    cr_assert_eq(echo.n_calls, 0);
    expect_alive(3);
}

Test(server, text_that_is_not_utf8_is_refused)
{
    static const uint8_t frame[] = "\x0a\x09test.Echo\x12\x04"
                                   "Fail\x1a\x03\x0a\x01\xff";
    static const uint8_t nul[] = "\x0a\x09test.Echo\x12\x04"
                                 "Fail\x1a\x05\x0a\x03"
                                 "a\0b";

    raw_peer_send_frame(&peer, 1, COCO_TTRPC_REQUEST, 0, frame, sizeof frame - 1);
    expect_status(&peer, 1, COCO_TTRPC_INVALID_ARGUMENT,
                  "grpc.StartContainerRequest.container_id: not UTF-8 text");
    raw_peer_send_frame(&peer, 3, COCO_TTRPC_REQUEST, 0, nul, sizeof nul - 1);
    expect_status(&peer, 3, COCO_TTRPC_INVALID_ARGUMENT,
                  "grpc.StartContainerRequest.container_id: not UTF-8 text");
}

Test(server, unknown_service_and_method_are_unimplemented)
{
    send_call(&peer, 1, "test.Nope", "Fail", 0, "x");
    expect_status(&peer, 1, COCO_TTRPC_UNIMPLEMENTED, "service test.Nope");
    send_call(&peer, 3, "test.Echo", "Nope", 0, "x");
    expect_status(&peer, 3, COCO_TTRPC_UNIMPLEMENTED, "method Nope");
    send_call(&peer, 5, "test.Echo", "None", 0, "x");
    expect_status(&peer, 5, COCO_TTRPC_UNIMPLEMENTED, "method None");
    raw_peer_send_frame(&peer, 7, COCO_TTRPC_REQUEST, 0, "", 0);
    expect_status(&peer, 7, COCO_TTRPC_UNIMPLEMENTED, "service ");
}

Test(server, oversize_frames_are_thrown_away)
{
    g_autofree uint8_t *data = g_malloc0(COCO_TTRPC_MAX_PAYLOAD + 1);

    raw_peer_send_frame(&peer, 1, COCO_TTRPC_REQUEST, 0, data, COCO_TTRPC_MAX_PAYLOAD + 1);
    expect_status(&peer, 1, COCO_TTRPC_RESOURCE_EXHAUSTED,
                  "message length 4194305 exceed maximum message size of 4194304");
    expect_alive(3);
}

Test(server, an_oversize_reply_becomes_an_error)
{
    static const uint8_t frame[] = "\x0a\x09test.Echo\x12\x04"
                                   "Blob\x1a\x05\x18\x80\x80\x80\x02";

    raw_peer_send_frame(&peer, 1, COCO_TTRPC_REQUEST, 0, frame, sizeof frame - 1);
    expect_status(&peer, 1, COCO_TTRPC_RESOURCE_EXHAUSTED, NULL);
}

Test(server, unknown_frame_types_are_ignored)
{
    raw_peer_send_frame(&peer, 1, 9, 0xff, "junk", 4);
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_RESPONSE, 0, "junk", 4);
    expect_alive(1);
}

Test(server, data_for_no_stream_is_refused)
{
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_DATA, 0, "", 0);
    expect_status(&peer, 1, COCO_TTRPC_INVALID_ARGUMENT, "StreamID is no longer active");
    expect_alive(1);
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_DATA, 0, "", 0);
    expect_status(&peer, 1, COCO_TTRPC_INVALID_ARGUMENT, "StreamID is no longer active");
}

Test(server, closing_the_sending_side_of_a_call_changes_nothing)
{
    park(1, 0);
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_DATA,
                        COCO_TTRPC_FLAG_REMOTE_CLOSED | COCO_TTRPC_FLAG_NO_DATA, "", 0);
    expect_alive(3);
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_ABORTED, "done");
    expect_status(&peer, 1, COCO_TTRPC_ABORTED, "done");
}

Test(server, data_for_a_unary_call_ends_it_once)
{
    GCancellable *cancellable = coco_ttrpc_call_get_cancellable(park(1, 0));

    raw_peer_send_frame(&peer, 1, COCO_TTRPC_DATA, 0, "x", 1);
    expect_status(&peer, 1, COCO_TTRPC_INVALID_ARGUMENT, NULL);
    cr_assert(g_cancellable_is_cancelled(cancellable));
    coco_ttrpc_call_reply(g_ptr_array_steal_index(echo.parked, 0), NULL);
    expect_alive(3);
}

Test(server, replies_go_out_in_any_order)
{
    park(1, 0);
    park(3, 0);
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 1), COCO_TTRPC_ABORTED, "3");
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_ABORTED, "1");
    expect_status(&peer, 3, COCO_TTRPC_ABORTED, "3");
    expect_status(&peer, 1, COCO_TTRPC_ABORTED, "1");
}

Test(server, the_end_of_the_connection_cancels_calls)
{
    GCancellable *before = coco_ttrpc_call_get_cancellable(park(1, 0));
    CocoTtrpcCall *late = park(3, 0);

    coco_fd_clear(&peer.fd);
    run_until(&closed);
    cr_assert_eq(left, 0);
    cr_assert(g_cancellable_is_cancelled(before));
    cr_assert(g_cancellable_is_cancelled(coco_ttrpc_call_get_cancellable(late)));
    /* teardown replies to both: harmless */
}

static void
on_cancelled(GCancellable *cancellable, void *user_data)
{
    /* Ends both calls, its own too. */
    while (echo.parked->len > 0)
        coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_CANCELLED, "x");
}

Test(server, calls_may_be_ended_while_they_are_cancelled)
{
    g_signal_connect(coco_ttrpc_call_get_cancellable(park(1, 0)), "cancelled",
                     G_CALLBACK(on_cancelled), NULL);
    g_signal_connect(coco_ttrpc_call_get_cancellable(park(3, 0)), "cancelled",
                     G_CALLBACK(on_cancelled), NULL);
    coco_fd_clear(&peer.fd);
    run_until(&closed);
    cr_assert_eq(echo.parked->len, 0);
}

Test(server, a_call_outlives_its_server)
{
    CocoTtrpcCall *call = park(1, 0);

    g_clear_pointer(&server, coco_ttrpc_server_free);
    cr_assert(!closed);
    cr_assert(g_cancellable_is_cancelled(coco_ttrpc_call_get_cancellable(call)));
}

static void
on_cancelled_set(GCancellable *cancellable, void *user_data)
{
    *(bool *) user_data = true;
}

Test(server, the_deadline_cancels_and_a_late_reply_is_still_sent)
{
    CocoTtrpcCall *call = park(1, 10000000);
    bool fired = false;

    cr_assert_leq(coco_ttrpc_call_get_deadline(call), g_get_monotonic_time() + 10000);
    g_signal_connect(coco_ttrpc_call_get_cancellable(call), "cancelled",
                     G_CALLBACK(on_cancelled_set), &fired);
    run_until(&fired);
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_DEADLINE_EXCEEDED,
                         "d");
    expect_status(&peer, 1, COCO_TTRPC_DEADLINE_EXCEEDED, "d");
}

Test(server, a_deadline_in_the_past_is_cancelled_at_once)
{
    CocoTtrpcCall *call = park(1, -5);

    cr_assert_lt(coco_ttrpc_call_get_deadline(call), g_get_monotonic_time());
    cr_assert(g_cancellable_is_cancelled(coco_ttrpc_call_get_cancellable(call)));
    cr_assert_gt(coco_ttrpc_call_get_deadline(park(3, INT64_MAX)), 0);
    cr_assert_gt(coco_ttrpc_call_get_deadline(park(5, INT64_MIN)), INT64_MIN);
}

Test(server, error_text_is_made_utf8_and_cut)
{
    g_autofree char *longer = g_strnfill(COCO_TTRPC_MAX_STATUS_TEXT + 10, 'a');
    g_autofree char *cut = g_strnfill(COCO_TTRPC_MAX_STATUS_TEXT, 'a');
    g_autoptr(GError) foreign = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, "disk");

    park(1, 0);
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_ABORTED, "a\xff");
    expect_status(&peer, 1, COCO_TTRPC_ABORTED, "a\xef\xbf\xbd");
    park(3, 0);
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_ABORTED, "%s", longer);
    expect_status(&peer, 3, COCO_TTRPC_ABORTED, cut);
    park(5, 0);
    coco_ttrpc_call_fail_error(g_ptr_array_steal_index(echo.parked, 0), foreign);
    expect_status(&peer, 5, COCO_TTRPC_UNKNOWN, "disk");
    park(7, 0);
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_OK, "no success");
    expect_status(&peer, 7, COCO_TTRPC_UNKNOWN, "no success");
}

/* 1 MiB answers to a client that does not read: the server must stop calling the handler, and go on
 * when it does. */
Test(server, a_client_that_never_reads_is_not_read_either)
{
    static const uint8_t request[] = "\x0a\x09test.Echo\x12\x04"
                                     "Blob\x1a\x04\x18\x80\x80\x40";
    uint8_t frame[10 + sizeof request - 1];
    unsigned int stuck;

    memcpy(frame + 10, request, sizeof request - 1);
    for (unsigned int i = 0; i < 64; i++) {
        coco_ttrpc_put_header(frame, sizeof request - 1, i * 2 + 1, COCO_TTRPC_REQUEST, 0);
        raw_peer_send(&peer, frame, sizeof frame);
    }
    run_for_ms(50);
    stuck = echo.n_calls;
    cr_assert_leq(stuck, COCO_TTRPC_MAX_QUEUED_REPLIES / (1u << 20) + 2);
    for (unsigned int i = 0; i < 64; i++)
        cr_assert_eq(raw_peer_receive(&peer).stream_id, i * 2 + 1);
    cr_assert_eq(echo.n_calls, 64);
}

Test(server, calls_without_an_answer_are_bounded)
{
    uint32_t id = 1;

    for (unsigned int i = 0; i < COCO_TTRPC_MAX_OPEN_CALLS; i++, id += 2)
        send_call(&peer, id, "test.Echo", "Park", 0, "x");
    send_call(&peer, id, "test.Echo", "Park", 0, "x");
    expect_status(&peer, id, COCO_TTRPC_RESOURCE_EXHAUSTED,
                  "too many calls without an answer on this connection");
    coco_ttrpc_call_reply(g_ptr_array_steal_index(echo.parked, 0), NULL);
    cr_assert_eq(raw_peer_receive(&peer).stream_id, 1);
    expect_alive(id + 2);
}

/* Small on the wire, large in memory: fields that nobody knows are kept, too. */
static void
send_large(uint32_t id)
{
    const size_t n = 600000;
    static const uint8_t zero[1];
    g_autofree ProtobufCMessageUnknownField *fields = g_new0(ProtobufCMessageUnknownField, n);
    Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
    g_autofree uint8_t *frame = NULL;
    size_t length;

    for (size_t i = 0; i < n; i++)
        fields[i] = (ProtobufCMessageUnknownField){ 5, PROTOBUF_C_WIRE_TYPE_VARINT, sizeof zero,
                                                    (uint8_t *) zero };
    request.base.unknown_fields = fields;
    request.base.n_unknown_fields = (unsigned int) n;
    frame =
        coco_ttrpc_request_encode(id, "test.Echo", "Park", 0, NULL, &request.base, &length, NULL);
    raw_peer_send(&peer, frame, length);
}

Test(server, memory_of_calls_without_an_answer_is_bounded)
{
    send_large(1);
    send_large(3);
    cr_assert_eq(raw_peer_receive(&peer).stream_id, 3);
    cr_assert_eq(echo.parked->len, 1);
    coco_ttrpc_call_reply(g_ptr_array_steal_index(echo.parked, 0), NULL);
    cr_assert_eq(raw_peer_receive(&peer).stream_id, 1);
    send_large(5);
    expect_alive(7);
    cr_assert_eq(echo.parked->len, 1);
}

/* One byte at a time, and then everything at once. */
Test(server, frames_may_come_in_any_pieces)
{
    g_autoptr(GByteArray) all = g_byte_array_new();

    for (uint32_t id = 1; id <= 99; id += 2) {
        Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
        g_autofree uint8_t *frame = NULL;
        size_t length;

        frame = coco_ttrpc_request_encode(id, "test.Echo", "Fail", 0, NULL, &request.base, &length,
                                          NULL);
        if (id == 1) {
            for (size_t i = 0; i < length; i++) {
                raw_peer_send(&peer, frame + i, 1);
                run_pending();
            }
        } else {
            g_byte_array_append(all, frame, (unsigned int) length);
        }
    }
    raw_peer_send(&peer, all->data, all->len);
    for (uint32_t id = 1; id <= 99; id += 2)
        expect_status(&peer, id, COCO_TTRPC_NOT_FOUND, "");
}

static int
connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    cr_assert_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

static RawPeer
listen_and_connect(bool only_known, uid_t as_uid, uid_t *back)
{
    g_autofree char *dir = g_dir_make_tmp("coco-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *address = g_strconcat("unix://", path, NULL);
    RawPeer other = { .decoder = coco_ttrpc_decoder_new() };

    coco_ttrpc_server_listen(server, coco_transport_listen(address, NULL), only_known);
    *back = geteuid();
    if (as_uid != 0) {
        cr_assert_eq(chmod(dir, 0755), 0);
        cr_assert_eq(chmod(path, 0666), 0);
        cr_assert_eq(seteuid(as_uid), 0);
    }
    other.fd = connect_to(path);
    cr_assert_eq(seteuid(*back), 0);
    g_unlink(path);
    g_rmdir(dir);
    return other;
}

Test(server, listens)
{
    uid_t me;
    RawPeer other = listen_and_connect(true, 0, &me);

    send_call(&other, 1, "test.Echo", "Fail", 0, "x");
    expect_status(&other, 1, COCO_TTRPC_NOT_FOUND, "x");
    raw_peer_clear(&other);
    run_until(&closed);
    cr_assert_eq(left, 1);
}

Test(server, another_user_is_closed_at_once)
{
    uid_t me;
    RawPeer other;

    if (geteuid() != 0)
        cr_skip_test("needs root to be two users");
    other = listen_and_connect(true, 65534, &me);
    cr_assert(raw_peer_is_closed(&other));
    raw_peer_clear(&other);
    other = listen_and_connect(false, 65534, &me);
    send_call(&other, 1, "test.Echo", "Fail", 0, "x");
    expect_status(&other, 1, COCO_TTRPC_NOT_FOUND, "x");
    raw_peer_clear(&other);
}

/* Without descriptors accept() fails while the socket is readable: the loop must rest, then accept.
 */
Test(server, running_out_of_descriptors_does_not_spin)
{
    struct rlimit old, low;
    uid_t me;
    RawPeer other = listen_and_connect(false, 0, &me);
    unsigned int turns = 0;
    int64_t end = g_get_monotonic_time() + 250000;

    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &low);
    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, TRUE);
        turns++;
    }
    setrlimit(RLIMIT_NOFILE, &old);
    cr_assert_leq(turns, 20, "%u turns of the loop in 250 ms", turns);
    send_call(&other, 1, "test.Echo", "Fail", 0, "x");
    expect_status(&other, 1, COCO_TTRPC_NOT_FOUND, "x");
    raw_peer_clear(&other);
}

Test(server_null, free)
{
    coco_ttrpc_server_free(NULL);
    coco_ttrpc_server_free(coco_ttrpc_server_new());
}

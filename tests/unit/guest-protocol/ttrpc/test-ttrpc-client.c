// SPDX-License-Identifier: Apache-2.0
/*
 * The client, against our own server and against a raw peer that misbehaves.
 */
#include "guest-protocol/ttrpc/ttrpc-client.h"

#include <sys/socket.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/ttrpc-message.h"
#include "tests/unit/guest-protocol/echo-service.h"
#include "tests/unit/guest-protocol/raw-peer.h"

typedef struct {
    bool done;
    ProtobufCMessage *reply;
    GError *error;
} Result;

static void
on_done(GObject *source, GAsyncResult *result, void *user_data)
{
    Result *r = user_data;

    cr_assert_null(source);
    cr_assert(!r->done);
    r->reply = coco_ttrpc_client_call_finish(result, &r->error);
    cr_assert((r->reply == NULL) == (r->error != NULL));
    r->done = true;
}

static void
result_clear(Result *r)
{
    g_clear_pointer(&r->reply, coco_pb_free);
    g_clear_error(&r->error);
    r->done = false;
}

#define cr_assert_error(r, wanted_code, wanted_text)                                               \
    do {                                                                                           \
        cr_assert_not_null((r).error);                                                             \
        cr_assert(g_error_matches((r).error, COCO_TTRPC_ERROR, wanted_code), "code %d: %s",        \
                  (r).error->code, (r).error->message);                                            \
        cr_assert_str_eq((r).error->message, wanted_text);                                         \
    } while (0)

static EchoService echo;
static CocoTtrpcServer *server;
static CocoTtrpcClient *client;
static RawPeer peer;

static void
setup(void)
{
    int fds[2];

    echo = (EchoService){ .parked = g_ptr_array_new() };
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    server = coco_ttrpc_server_new();
    coco_ttrpc_server_add_service(server, &echo_service, &echo);
    coco_ttrpc_server_add_connection(server, fds[0]);
    client = coco_ttrpc_client_new(fds[1]);
}

static void
teardown(void)
{
    for (unsigned int i = 0; i < echo.parked->len; i++)
        coco_ttrpc_call_reply(echo.parked->pdata[i], NULL);
    coco_ttrpc_client_free(client);
    coco_ttrpc_server_free(server);
    run_pending();
    g_ptr_array_unref(echo.parked);
}

static void
setup_raw(void)
{
    client = coco_ttrpc_client_new(raw_peer_init(&peer));
}

static void
teardown_raw(void)
{
    coco_ttrpc_client_free(client);
    raw_peer_clear(&peer);
    run_pending();
}

static void
start(const char *method, const char *id, int64_t timeout_us, GCancellable *cancellable, Result *r)
{
    Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
    g_autofree char *copy = g_strdup(id);

    request.container_id = copy;
    coco_ttrpc_client_call_async(client, "test.Echo", method, &request.base,
                                 &grpc__read_stream_response__descriptor, timeout_us, cancellable,
                                 on_done, r);
    cr_assert(!r->done, "the callback ran before the call returned");
}

static void
write_echo(const void *data, size_t length, Result *r)
{
    Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;

    request.data.data = (uint8_t *) data;
    request.data.len = length;
    coco_ttrpc_client_call_async(client, "test.Echo", "Echo", &request.base,
                                 &grpc__read_stream_response__descriptor, 0, NULL, on_done, r);
}

TestSuite(client, .init = setup, .fini = teardown, .timeout = 60);
TestSuite(client_raw, .init = setup_raw, .fini = teardown_raw, .timeout = 60);

Test(client, gets_the_answer)
{
    Result r = { 0 };
    Grpc__ReadStreamResponse *reply;

    write_echo("hello", 5, &r);
    run_until(&r.done);
    cr_assert_null(r.error);
    reply = (Grpc__ReadStreamResponse *) r.reply;
    cr_assert_eq(reply->data.len, 5);
    cr_assert_arr_eq(reply->data.data, "hello", 5);
    result_clear(&r);
}

Test(client, an_empty_answer_is_a_message)
{
    Result r = { 0 };

    write_echo("", 0, &r);
    run_until(&r.done);
    cr_assert_null(r.error);
    cr_assert_eq(((Grpc__ReadStreamResponse *) r.reply)->data.len, 0);
    result_clear(&r);
}

Test(client, calls_overtake_each_other)
{
    Result parked = { 0 }, quick = { 0 };

    start("Park", "a", 0, NULL, &parked);
    write_echo("x", 1, &quick);
    run_until(&quick.done);
    cr_assert(!parked.done);
    coco_ttrpc_call_fail(g_ptr_array_steal_index(echo.parked, 0), COCO_TTRPC_ABORTED, "late");
    run_until(&parked.done);
    cr_assert_error(parked, COCO_TTRPC_ABORTED, "late");
    result_clear(&parked);
    result_clear(&quick);
}

Test(client, the_error_is_the_servers_own)
{
    Result r = { 0 };

    start("Fail", "container not created: not found", 0, NULL, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_NOT_FOUND, "container not created: not found");
    result_clear(&r);
}

Test(client, four_mib_pass_and_more_is_refused_here)
{
    Result r = { 0 };
    /* service, method, and the tags and lengths around the data */
    size_t most = COCO_TTRPC_MAX_PAYLOAD - 11 - 6 - 5 - 5;
    g_autofree uint8_t *data = g_malloc0(COCO_TTRPC_MAX_PAYLOAD);

    write_echo(data, most, &r);
    run_until(&r.done);
    cr_assert_null(r.error, "%s", r.error->message);
    result_clear(&r);

    write_echo(data, most + 1, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "message length 4194305 exceed maximum message size of 4194304");
    result_clear(&r);
}

Test(client, deadline_passes_here_even_if_the_server_is_silent)
{
    Result r = { 0 };

    start("Park", "a", 20000, NULL, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_DEADLINE_EXCEEDED, "test.Echo/Park: no answer within 0.02 s");
    result_clear(&r);

    /* The late answer is dropped and the connection goes on. */
    run_pending();
    coco_ttrpc_call_reply(g_ptr_array_steal_index(echo.parked, 0), NULL);
    write_echo("x", 1, &r);
    run_until(&r.done);
    cr_assert_null(r.error);
    result_clear(&r);
}

Test(client, a_deadline_in_the_past_sends_nothing)
{
    Result r = { 0 };

    start("Park", "a", -1, NULL, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_DEADLINE_EXCEEDED,
                    "test.Echo/Park: deadline had passed before the call");
    run_pending();
    cr_assert_eq(echo.n_calls, 0);
    result_clear(&r);
}

Test(client, cancelling_forgets_the_call)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Result r = { 0 };

    start("Park", "a", 0, cancellable, &r);
    g_cancellable_cancel(cancellable);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_CANCELLED, "test.Echo/Park: cancelled");
    result_clear(&r);

    /* Already cancelled when the call starts. */
    start("Park", "a", 0, cancellable, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_CANCELLED, "test.Echo/Park: cancelled");
    result_clear(&r);
    run_pending();
}

Test(client, no_callback_is_fine)
{
    Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
    bool called = false;

    coco_ttrpc_client_call_async(client, "test.Echo", "Fail", &request.base,
                                 &grpc__read_stream_response__descriptor, 0, NULL, NULL, NULL);
    while (!called) {
        g_main_context_iteration(NULL, TRUE);
        called = echo.n_calls == 1;
    }
    run_pending();
}

Test(client, freeing_fails_pending_calls_as_cancelled)
{
    Result r = { 0 };

    start("Park", "a", 0, NULL, &r);
    g_clear_pointer(&client, coco_ttrpc_client_free);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_CANCELLED, "client was closed");
    result_clear(&r);
}

Test(client, a_string_that_is_not_utf8_is_refused_here)
{
    Result r = { 0 };

    start("Fail", "\xff", 0, NULL, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_INVALID_ARGUMENT,
                    "grpc.StartContainerRequest.container_id: not UTF-8 text");
    result_clear(&r);
}

/* It may be a hostile guest's, and ends on somebody's terminal. */
Test(client, an_error_is_one_line_without_control_characters)
{
    Result r = { 0 };

    start("Fail",
          "a\x1b[2Jb\r\nc\x7f\xc2\x9b"
          "3m\u00fc",
          0, NULL, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_NOT_FOUND, "a [2Jb  c   3m\u00fc");
    result_clear(&r);
}

Test(client, metadata_goes_with_every_call)
{
    Result r = { 0 };
    CocoTtrpcCall *call;

    coco_ttrpc_client_set_metadata(client, "Containerd-Namespace-ttrpc", "old");
    coco_ttrpc_client_set_metadata(client, "containerd-namespace-ttrpc", "k8s.io");
    start("Park", "a", 5 * G_USEC_PER_SEC, NULL, &r);
    while (echo.parked->len == 0)
        g_main_context_iteration(NULL, TRUE);
    call = echo.parked->pdata[0];
    cr_assert_str_eq(coco_ttrpc_call_get_metadata(call, "containerd-namespace-TTRPC"), "k8s.io");
    cr_assert_null(coco_ttrpc_call_get_metadata(call, "traceparent"));
    cr_assert_gt(coco_ttrpc_call_get_deadline(call), g_get_monotonic_time() + 4 * G_USEC_PER_SEC);
    cr_assert_leq(coco_ttrpc_call_get_deadline(call), g_get_monotonic_time() + 5 * G_USEC_PER_SEC);
    g_clear_pointer(&client, coco_ttrpc_client_free);
    run_until(&r.done);
    result_clear(&r);
}

static void
on_client_closed(CocoTtrpcClient *dead, const GError *reason, void *user_data)
{
    Result *r = user_data;

    cr_assert_eq(dead, client);
    cr_assert(!r->done);
    r->error = g_error_copy(reason);
    r->done = true;
    g_clear_pointer(&client, coco_ttrpc_client_free);
}

/* A Response with data, as bytes of a frame. */
static uint8_t *
answer(uint32_t id, size_t *out_length)
{
    Grpc__ReadStreamResponse response = GRPC__READ_STREAM_RESPONSE__INIT;
    uint8_t byte = 'x';

    response.data.data = &byte;
    response.data.len = 1;
    return coco_ttrpc_response_encode(id, &response.base, out_length, NULL);
}

Test(client_raw, an_answer_that_came_is_delivered_before_death)
{
    Result first = { 0 }, second = { 0 }, closed = { 0 };
    g_autofree uint8_t *frame = NULL;
    size_t length;

    coco_ttrpc_client_set_closed_func(client, on_client_closed, &closed);
    start("Park", "a", 0, NULL, &first);
    start("Park", "b", 0, NULL, &second);
    cr_assert_eq(raw_peer_receive(&peer).stream_id, 1);
    cr_assert_eq(raw_peer_receive(&peer).stream_id, 3);
    frame = answer(3, &length);
    raw_peer_send(&peer, frame, length);
    coco_fd_clear(&peer.fd);
    run_until(&closed.done);
    cr_assert(second.done && second.error == NULL);
    cr_assert_error(first, COCO_TTRPC_UNAVAILABLE, "connection closed");
    cr_assert_error(closed, COCO_TTRPC_UNAVAILABLE, "connection closed");
    result_clear(&first);
    result_clear(&second);
    result_clear(&closed);
}

Test(client_raw, calls_after_death_fail)
{
    Result r = { 0 };

    coco_fd_clear(&peer.fd);
    run_for_ms(1);
    start("Park", "a", 0, NULL, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_UNAVAILABLE, "connection closed");
    result_clear(&r);
}

/* The peer dies while the request is on its way: the write fails, not a read. */
Test(client_raw, a_failed_write_is_a_death)
{
    Result r = { 0 };

    coco_fd_clear(&peer.fd);
    start("Park", "a", 0, NULL, &r);
    run_until(&r.done);
    cr_assert_eq(r.error->code, COCO_TTRPC_UNAVAILABLE);
    result_clear(&r);
}

Test(client_raw, strange_frames_are_ignored)
{
    Result r = { 0 };
    g_autofree uint8_t *frame = NULL;
    size_t length;

    start("Park", "a", 0, NULL, &r);
    raw_peer_receive(&peer);
    raw_peer_send_frame(&peer, 99, COCO_TTRPC_RESPONSE, 0, "", 0);
    raw_peer_send_frame(&peer, 2, COCO_TTRPC_REQUEST, 0, "junk", 4);
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_DATA, 0, "junk", 4);
    raw_peer_send_frame(&peer, 1, 77, 0xff, "junk", 4);
    frame = answer(1, &length);
    raw_peer_send(&peer, frame, length);
    run_until(&r.done);
    cr_assert_null(r.error);
    result_clear(&r);
}

Test(client_raw, an_answer_that_does_not_decode_is_internal)
{
    static const uint8_t bad_payload[] = { 0x12, 0x02, 0x0a, 0x05 };
    Result r = { 0 };

    start("Park", "a", 0, NULL, &r);
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_RESPONSE, 0, "\xff", 1);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_INTERNAL, "test.Echo/Park: unmarshal response: does not decode");
    result_clear(&r);

    start("Park", "a", 0, NULL, &r);
    raw_peer_send_frame(&peer, 3, COCO_TTRPC_RESPONSE, 0, bad_payload, sizeof bad_payload);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_INTERNAL,
                    "test.Echo/Park: grpc.ReadStreamResponse: does not decode");
    result_clear(&r);
}

Test(client_raw, an_oversize_answer_fails_its_call_only)
{
    Result big = { 0 }, small = { 0 };
    g_autofree uint8_t *data = g_malloc0(COCO_TTRPC_MAX_PAYLOAD + 1);
    g_autofree uint8_t *frame = NULL;
    size_t length;

    start("Park", "a", 0, NULL, &big);
    start("Park", "b", 0, NULL, &small);
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_RESPONSE, 0, data, COCO_TTRPC_MAX_PAYLOAD + 1);
    frame = answer(3, &length);
    raw_peer_send(&peer, frame, length);
    run_until(&small.done);
    cr_assert_null(small.error);
    cr_assert_error(big, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "message length 4194305 exceed maximum message size of 4194304");
    result_clear(&big);
    result_clear(&small);
}

Test(client_raw, a_code_we_do_not_know_is_unknown)
{
    static const uint8_t status[] = { 0x0a, 0x06, 0x08, 99, 0x12, 0x02, 'h', 0xff };
    Result r = { 0 };

    start("Park", "a", 0, NULL, &r);
    raw_peer_send_frame(&peer, 1, COCO_TTRPC_RESPONSE, 0, status, sizeof status);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_UNKNOWN, "h\xef\xbf\xbd");
    result_clear(&r);
}

Test(client_raw, a_server_that_does_not_read_is_an_error_not_memory)
{
    Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
    g_autofree uint8_t *data = g_malloc0(4u << 20);
    Result r = { 0 };

    request.data.data = data;
    request.data.len = 4000000;
    for (unsigned int i = 0; i < 20; i++)
        coco_ttrpc_client_call_async(client, "s", "m", &request.base,
                                     &grpc__read_stream_response__descriptor, 0, NULL, NULL, NULL);
    start("Park", "a", 0, NULL, &r);
    run_until(&r.done);
    cr_assert_error(r, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "test.Echo/Park: the server does not read its requests");
    result_clear(&r);
}

/* The first callback frees the client while others are still to be failed. */
static void
on_done_free_client(GObject *source, GAsyncResult *result, void *user_data)
{
    on_done(source, result, user_data);
    g_clear_pointer(&client, coco_ttrpc_client_free);
}

Test(client_raw, may_be_freed_in_a_callback)
{
    Result a = { 0 }, b = { 0 };
    Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;

    for (unsigned int i = 0; i < 2; i++)
        coco_ttrpc_client_call_async(client, "s", "m", &request.base,
                                     &grpc__read_stream_response__descriptor, 0, NULL,
                                     on_done_free_client, i == 0 ? &a : &b);
    coco_fd_clear(&peer.fd);
    run_until(&a.done);
    run_until(&b.done);
    result_clear(&a);
    result_clear(&b);
}

Test(client_null, free)
{
    coco_ttrpc_client_free(NULL);
}

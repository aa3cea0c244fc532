// SPDX-License-Identifier: Apache-2.0
/*
 * Requests through the gate, with a judge that answers late, out of order, never, and no.
 */
#include "guest/agent/gate.h"

#include <string.h>
#include <sys/socket.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/ttrpc-client.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"

#define N_CALLS 3

typedef struct {
    CocoGate *gate;
    CocoTtrpcServer *server;
    CocoTtrpcClient *client;
    GPtrArray *tickets; /* in order of arrival */
    GString *judged;
    GString *run; /* what handlers ran, in order */
    bool at_once;
    bool answer;
} Rig;

typedef struct {
    bool done;
    GError *error;
} Answer;

static void
handle_start(CocoTtrpcCall *call, void *user_data)
{
    Rig *rig = user_data;
    const Grpc__StartContainerRequest *request =
        (const Grpc__StartContainerRequest *) coco_ttrpc_call_get_request(call);

    g_string_append(rig->run, request->container_id);
    coco_ttrpc_call_reply(call, NULL);
}

static const CocoTtrpcMethod methods[] = {
    { "StartContainer", &grpc__start_container_request__descriptor, handle_start },
};
static const CocoTtrpcService service = { "grpc.AgentService", methods, G_N_ELEMENTS(methods) };

static void
judge(const char *name, const ProtobufCMessage *request, CocoGateTicket *ticket, void *user_data)
{
    Rig *rig = user_data;

    cr_assert_str_eq(name, "StartContainerRequest");
    g_string_append(rig->judged, ((const Grpc__StartContainerRequest *) request)->container_id);
    if (rig->at_once)
        coco_gate_answer(ticket, rig->answer, "rule\n7");
    else
        g_ptr_array_add(rig->tickets, ticket);
}

static void
on_call(CocoTtrpcCall *call, const CocoTtrpcMethod *method, void *service_data, void *user_data)
{
    const Rig *rig = user_data;

    coco_gate_pass(rig->gate, call, method, service_data);
}

static void
rig_init(Rig *rig)
{
    int ends[2];

    *rig = (Rig){ .gate = coco_gate_new(),
                  .server = coco_ttrpc_server_new(),
                  .tickets = g_ptr_array_new(),
                  .judged = g_string_new(NULL),
                  .run = g_string_new(NULL) };
    coco_ttrpc_server_add_service(rig->server, &service, rig);
    coco_ttrpc_server_set_gate_func(rig->server, on_call, rig);
    coco_gate_set_judge(rig->gate, judge, rig);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    coco_ttrpc_server_add_connection(rig->server, ends[0]);
    rig->client = coco_ttrpc_client_new(ends[1]);
}

static void
rig_clear(Rig *rig)
{
    coco_ttrpc_client_free(rig->client);
    coco_ttrpc_server_free(rig->server);
    coco_gate_free(rig->gate);
    g_ptr_array_unref(rig->tickets);
    (void) g_string_free(rig->judged, TRUE);
    (void) g_string_free(rig->run, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
on_answer(GObject *source, GAsyncResult *result, void *user_data)
{
    Answer *answer = user_data;
    ProtobufCMessage *reply = coco_ttrpc_client_call_finish(result, &answer->error);

    answer->done = true;
    if (reply != NULL)
        coco_pb_free(reply);
}

static void
ask(Rig *rig, const char *id, Answer *answer)
{
    Grpc__StartContainerRequest request;

    *answer = (Answer){ 0 };
    grpc__start_container_request__init(&request);
    request.container_id = (char *) id;
    coco_ttrpc_client_call_async(rig->client, service.name, methods[0].name, &request.base,
                                 &grpc__check_request__descriptor, 0, NULL, on_answer, answer);
}

static void
wait_for(const Answer *answer)
{
    while (!answer->done)
        (void) g_main_context_iteration(NULL, TRUE);
}

static void
wait_judged(const Rig *rig, size_t n)
{
    while (rig->judged->len < n)
        (void) g_main_context_iteration(NULL, TRUE);
}

static void
check_denied(Answer *answer, const char *text)
{
    wait_for(answer);
    cr_assert(g_error_matches(answer->error, COCO_TTRPC_ERROR, COCO_TTRPC_PERMISSION_DENIED));
    cr_assert_str_eq(answer->error->message, text);
    g_clear_error(&answer->error);
}

static void
check_passed(Answer *answer)
{
    wait_for(answer);
    cr_assert_null(answer->error);
}

Test(gate, without_a_judge_all_pass, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    Answer answer;

    rig_init(&rig);
    coco_gate_set_judge(rig.gate, NULL, NULL);
    ask(&rig, "a", &answer);
    check_passed(&answer);
    cr_assert_str_eq(rig.run->str, "a");
}

Test(gate, a_verdict_at_once, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    Answer answer;

    rig_init(&rig);
    rig.at_once = true;
    ask(&rig, "a", &answer);
    check_denied(&answer, "StartContainerRequest is not allowed: rule 7");
    rig.answer = true;
    ask(&rig, "b", &answer);
    check_passed(&answer);
    cr_assert_str_eq(rig.run->str, "b");
}

/* Verdicts from the last to the first; the handlers run from the first to the last. */
Test(gate, none_overtakes_an_earlier_one, .timeout = 20)
{
    static const char *const ids[N_CALLS] = { "a", "b", "c" };
    g_auto(Rig) rig = { 0 };
    Answer answers[N_CALLS];

    rig_init(&rig);
    for (size_t i = 0; i < N_CALLS; i++)
        ask(&rig, ids[i], &answers[i]);
    wait_judged(&rig, N_CALLS);
    cr_assert_str_eq(rig.judged->str, "abc");
    coco_gate_answer(rig.tickets->pdata[2], true, NULL);
    coco_gate_answer(rig.tickets->pdata[1], false, NULL);
    cr_assert_str_empty(rig.run->str);
    coco_gate_answer(rig.tickets->pdata[0], true, NULL);
    check_passed(&answers[0]);
    check_denied(&answers[1], "StartContainerRequest is not allowed");
    check_passed(&answers[2]);
    cr_assert_str_eq(rig.run->str, "ac");
}

/* Also not when there is no judge any more. */
Test(gate, those_that_come_later_wait_too, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    Answer first;
    Answer second;

    rig_init(&rig);
    ask(&rig, "a", &first);
    wait_judged(&rig, 1);
    coco_gate_set_judge(rig.gate, NULL, NULL);
    ask(&rig, "b", &second);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_assert_str_empty(rig.run->str);
    coco_gate_answer(rig.tickets->pdata[0], true, NULL);
    check_passed(&first);
    check_passed(&second);
    cr_assert_str_eq(rig.run->str, "ab");
}

Test(gate, no_verdict_is_a_denial, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    Answer answer;

    rig_init(&rig);
    coco_gate_set_timeout(rig.gate, 20);
    ask(&rig, "a", &answer);
    check_denied(&answer, "StartContainerRequest is not allowed: no verdict in time");
    cr_assert(g_cancellable_is_cancelled(coco_gate_ticket_get_cancellable(rig.tickets->pdata[0])));
    coco_gate_answer(rig.tickets->pdata[0], true, NULL);
    cr_assert_str_empty(rig.run->str);
}

/* A request whose caller has gone does nothing; nor does a verdict after the gate. */
Test(gate, callers_and_gates_go, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    Answer first;
    Answer second;

    rig_init(&rig);
    ask(&rig, "a", &first);
    ask(&rig, "b", &second);
    wait_judged(&rig, 2);
    g_clear_pointer(&rig.client, coco_ttrpc_client_free);
    while (!g_cancellable_is_cancelled(coco_gate_ticket_get_cancellable(rig.tickets->pdata[0])))
        (void) g_main_context_iteration(NULL, TRUE);
    coco_gate_answer(rig.tickets->pdata[0], true, NULL);
    g_clear_pointer(&rig.gate, coco_gate_free);
    coco_gate_answer(rig.tickets->pdata[1], true, NULL);
    cr_assert_str_empty(rig.run->str);
    g_clear_error(&first.error);
    g_clear_error(&second.error);
}

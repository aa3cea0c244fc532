// SPDX-License-Identifier: Apache-2.0
#include "shim/vm/watchdog.h"

#include <sys/socket.h>

#include <criterion/criterion.h>

#include "guest-protocol/agent/agent-call.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"

/* An agent that answers a Check when it is told to, and nothing else. */
static CocoTtrpcCall *check;
static unsigned int n_checks;

static void
on_check(CocoTtrpcCall *call, void *user_data)
{
    check = call;
    n_checks++;
}

static const CocoTtrpcMethod methods[] = {
    { "Check", &grpc__check_request__descriptor, on_check },
};
static const CocoTtrpcService health = { "grpc.Health", methods, G_N_ELEMENTS(methods) };

static CocoTtrpcServer *server;
static CocoTtrpcClient *client;
static CocoWatchdog *watchdog;

static void
setup(void)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    server = coco_ttrpc_server_new();
    coco_ttrpc_server_add_service(server, &health, NULL);
    coco_ttrpc_server_add_connection(server, fds[0]);
    client = coco_ttrpc_client_new(fds[1]);
    watchdog = coco_watchdog_new(client);
}

static void
teardown(void)
{
    coco_watchdog_free(watchdog);
    coco_ttrpc_client_free(client);
    if (check != NULL)
        coco_ttrpc_call_reply(check, NULL);
    coco_ttrpc_server_free(server);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

TestSuite(watchdog, .init = setup, .fini = teardown, .timeout = 60);

static void
wait_for_check(void)
{
    while (check == NULL)
        (void) g_main_context_iteration(NULL, TRUE);
}

static void
answer_check(void)
{
    coco_ttrpc_call_reply(g_steal_pointer(&check), NULL);
    while (coco_watchdog_silence_us(watchdog) > 0)
        (void) g_main_context_iteration(NULL, TRUE);
}

Test(watchdog, asks_nothing_when_nobody_waits)
{
    cr_assert_eq(coco_watchdog_silence_us(watchdog), 0);
    cr_assert(!g_main_context_pending(NULL));
}

Test(watchdog, asks_when_a_call_is_overdue)
{
    coco_watchdog_note_call(watchdog);
    wait_for_check();
    cr_assert_geq(coco_watchdog_silence_us(watchdog), COCO_WATCHDOG_OVERDUE_MS * 1000);
    answer_check();
    cr_assert_eq(n_checks, 1);
}

Test(watchdog, counts_from_the_first_call_without_an_answer)
{
    coco_watchdog_note_call(watchdog);
    wait_for_check();
    coco_watchdog_note_call(watchdog);
    cr_assert_geq(coco_watchdog_silence_us(watchdog), COCO_WATCHDOG_OVERDUE_MS * 1000);
}

Test(watchdog, asks_at_once_and_once)
{
    coco_watchdog_ask(watchdog);
    coco_watchdog_ask(watchdog);
    wait_for_check();
    cr_assert_lt(coco_watchdog_silence_us(watchdog), COCO_WATCHDOG_OVERDUE_MS * 1000);
    answer_check();
    cr_assert_eq(n_checks, 1);
    coco_watchdog_ask(watchdog);
    wait_for_check();
    cr_assert_eq(n_checks, 2);
}

/* Nobody waits for its answer any more, but it is one. */
Test(watchdog, hears_an_answer_to_a_call_that_was_given_up)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    CocoAgentCall call = { .client = client, .cancellable = cancellable };

    coco_watchdog_note_call(watchdog);
    coco_agent_check(&call);
    wait_for_check();
    g_cancellable_cancel(cancellable);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_assert_gt(coco_watchdog_silence_us(watchdog), 0);
    answer_check();
}

Test(watchdog, goes_while_it_asks)
{
    coco_watchdog_ask(watchdog);
    wait_for_check();
    g_clear_pointer(&watchdog, coco_watchdog_free);
}

// SPDX-License-Identifier: Apache-2.0
#include "shim/pod/process.h"

#include <sys/socket.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/task-pb.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/ttrpc-client.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"

static CocoProcess *
new_process(void)
{
    const CocoProcessConfig config = {
        .container_id = "c", .exec_id = "", .ns = "n", .in = "", .out = "", .err = ""
    };

    return coco_process_new(&config);
}

static void
count(void *user_data)
{
    ++*(unsigned int *) user_data;
}

/* The guest may tell the end of a short process before it answers to the start. */
Test(process, exit_waits_until_the_start_is_told)
{
    g_autoptr(CocoProcess) process = new_process();
    unsigned int n = 0;

    cr_assert(coco_process_step(process, COCO_PROCESS_EV_START));
    coco_process_when_start_told(process, count, &n);
    cr_assert_eq(n, 0);
    cr_assert(coco_process_step(process, COCO_PROCESS_EV_STARTED));
    cr_assert_eq(n, 0);
    coco_process_start_told(process);
    cr_assert_eq(n, 1);
    coco_process_start_told(process);
    cr_assert_eq(n, 1);
}

Test(process, exit_of_one_that_runs_or_never_started_does_not_wait)
{
    g_autoptr(CocoProcess) process = new_process();
    unsigned int n = 0;

    coco_process_when_start_told(process, count, &n);
    cr_assert_eq(n, 1);
    cr_assert(coco_process_step(process, COCO_PROCESS_EV_START));
    cr_assert(coco_process_step(process, COCO_PROCESS_EV_STARTED));
    coco_process_when_start_told(process, count, &n);
    cr_assert_eq(n, 2);
}

Test(process, whoever_waits_for_a_start_hears_of_its_failure)
{
    g_autoptr(CocoProcess) process = new_process();
    unsigned int n = 0;

    cr_assert(coco_process_step(process, COCO_PROCESS_EV_START));
    coco_process_when_start_told(process, count, &n);
    cr_assert(coco_process_stop(process, COCO_PROCESS_EV_START_FAILED, 127));
    cr_assert_eq(n, 1);
    cr_assert_eq(coco_process_exit_status(process), 127);
}

static void
on_wait(CocoTtrpcCall *call, void *process)
{
    coco_process_wait(process, call);
}

static void
on_answer(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, NULL);

    *(int *) user_data = reply != NULL ? 1 : -1;
}

static gboolean
on_later(void *user_data)
{
    *(bool *) user_data = true;
    return G_SOURCE_REMOVE;
}

/* On one connection: each keeps its place only until its caller gives up. */
Test(process, waits_that_were_given_up_are_forgotten, .timeout = 60)
{
    static const CocoTtrpcMethod methods[] = {
        { "Wait", &containerd__task__v2__wait_request__descriptor, on_wait },
    };
    static const CocoTtrpcService service = { "test", methods, G_N_ELEMENTS(methods) };
    Containerd__Task__V2__WaitRequest request = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
    g_autoptr(CocoTtrpcServer) server = coco_ttrpc_server_new();
    g_autoptr(CocoTtrpcClient) client = NULL;
    g_autoptr(CocoProcess) process = new_process();
    int answers[COCO_TTRPC_MAX_OPEN_CALLS + 1] = { 0 };
    bool later = false;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    coco_ttrpc_server_add_service(server, &service, process);
    coco_ttrpc_server_add_connection(server, fds[0]);
    client = coco_ttrpc_client_new(fds[1]);
    for (size_t i = 0; i < COCO_TTRPC_MAX_OPEN_CALLS; i++)
        coco_ttrpc_client_call_async(client, "test", "Wait", &request.base,
                                     &containerd__task__v2__wait_response__descriptor, 100000, NULL,
                                     on_answer, &answers[i]);
    for (size_t i = 0; i < COCO_TTRPC_MAX_OPEN_CALLS; i++) {
        while (answers[i] == 0)
            (void) g_main_context_iteration(NULL, TRUE);
        cr_assert_eq(answers[i], -1);
    }
    /* The server's own deadlines pass a little later. */
    (void) g_timeout_add(500, on_later, &later);
    while (!later)
        (void) g_main_context_iteration(NULL, TRUE);
    coco_ttrpc_client_call_async(client, "test", "Wait", &request.base,
                                 &containerd__task__v2__wait_response__descriptor, 0, NULL,
                                 on_answer, &answers[COCO_TTRPC_MAX_OPEN_CALLS]);
    for (unsigned int i = 0; i < 100; i++)
        (void) g_main_context_iteration(NULL, FALSE);
    cr_assert_eq(answers[COCO_TTRPC_MAX_OPEN_CALLS], 0, "refused");
    cr_assert(coco_process_stop(process, COCO_PROCESS_EV_EXIT, 5));
    while (answers[COCO_TTRPC_MAX_OPEN_CALLS] == 0)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(answers[COCO_TTRPC_MAX_OPEN_CALLS], 1);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * shim/vm/vm-setup.c against an agent of which each method can be told what to do.
 */
#include "shim/vm/vm-setup.h"

#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib-unix.h>
#include <glib/gstdio.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/transport.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"

#define LONG_US 30000000
#define SHORT_US 300000

typedef enum {
    CHECK,
    CREATE,
    DESTROY,
    INTERFACE,
    ROUTES,
    N_METHODS
} Method;
typedef enum {
    ANSWERS,
    REFUSES,
    IS_SILENT,
    HANGS_UP
} Behaviour;

static Behaviour behaviour[N_METHODS];
static CocoTtrpcCode refusal;
static GString *seen; /* a letter a call */
static CocoTtrpcCall *held;
static CocoTtrpcServer *server;
static CocoVmSetup *setup;
static CocoPodNetwork *network; /* nullable */
static char *directory;
static char *address;
static int listener;
static unsigned int source;
static unsigned int told;
static GError *failure;

static void
behave(CocoTtrpcCall *call, Method method)
{
    g_string_append_c(seen, "hcdir"[method]);
    switch (behaviour[method]) {
    case ANSWERS:
        coco_ttrpc_call_reply(call, NULL);
        break;
    case REFUSES:
        coco_ttrpc_call_fail(call, refusal, "no");
        break;
    case IS_SILENT:
        held = call;
        break;
    case HANGS_UP:
        held = call;
        g_clear_pointer(&server, coco_ttrpc_server_free);
        break;
    }
}

static void
on_check(CocoTtrpcCall *call, void *user_data)
{
    behave(call, CHECK);
}

static void
on_create(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__CreateSandboxRequest *request =
        (const Grpc__CreateSandboxRequest *) coco_ttrpc_call_get_request(call);

    cr_assert_str_eq(request->sandbox_id, "pod");
    cr_assert_str_eq(request->hostname, "name");
    cr_assert_eq(request->n_storages, 2);
    behave(call, CREATE);
}

static void
on_destroy(CocoTtrpcCall *call, void *user_data)
{
    behave(call, DESTROY);
}

static void
on_interface(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__UpdateInterfaceRequest *request =
        (const Grpc__UpdateInterfaceRequest *) coco_ttrpc_call_get_request(call);

    cr_assert_str_eq(request->interface->devicepath, "19/00");
    behave(call, INTERFACE);
}

static void
on_routes(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__UpdateRoutesRequest *request =
        (const Grpc__UpdateRoutesRequest *) coco_ttrpc_call_get_request(call);

    cr_assert_eq(request->routes->n_routes, 1);
    behave(call, ROUTES);
}

static const CocoTtrpcMethod health_methods[] = {
    { "Check", &grpc__check_request__descriptor, on_check },
};
static const CocoTtrpcMethod agent_methods[] = {
    { "CreateSandbox", &grpc__create_sandbox_request__descriptor, on_create },
    { "DestroySandbox", &grpc__destroy_sandbox_request__descriptor, on_destroy },
    { "UpdateInterface", &grpc__update_interface_request__descriptor, on_interface },
    { "UpdateRoutes", &grpc__update_routes_request__descriptor, on_routes },
};
static const CocoTtrpcService health = { "grpc.Health", health_methods, 1 };
static const CocoTtrpcService agent = { "grpc.AgentService", agent_methods,
                                        G_N_ELEMENTS(agent_methods) };

static gboolean
on_connection(int fd, GIOCondition condition, void *user_data)
{
    coco_ttrpc_server_add_connection(server, accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    return G_SOURCE_CONTINUE;
}

static void
begin(void)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    directory = g_dir_make_tmp("vm-setup-XXXXXX", NULL);
    path = g_build_filename(directory, "agent", NULL);
    address = g_strconcat("unix://", path, NULL);
    listener = coco_transport_listen(address, &error);
    cr_assert_geq(listener, 0);
    source = g_unix_fd_add(listener, G_IO_IN, on_connection, NULL);
    server = coco_ttrpc_server_new();
    coco_ttrpc_server_add_service(server, &health, NULL);
    coco_ttrpc_server_add_service(server, &agent, NULL);
    seen = g_string_new(NULL);
}

static void
end(void)
{
    g_autofree char *path = g_build_filename(directory, "agent", NULL);

    coco_vm_setup_free(setup);
    if (held != NULL)
        coco_ttrpc_call_reply(held, NULL);
    coco_ttrpc_server_free(server);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_source_remove(source);
    (void) close(listener);
    (void) g_unlink(path);
    (void) g_rmdir(directory);
    g_clear_error(&failure);
    g_free(directory);
    g_free(address);
    g_string_free(seen, TRUE);
}

TestSuite(vm_setup, .init = begin, .fini = end, .timeout = 60);

static void
on_told(const GError *error, void *user_data)
{
    told++;
    g_clear_error(&failure);
    failure = error != NULL ? g_error_copy(error) : NULL;
}

static void
wait_until_told(unsigned int times)
{
    while (told < times)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(told, times);
}

static void
start(int64_t timeout_us)
{
    const CocoVmSetupConfig config = { .agent = address,
                                       .timeout_us = timeout_us,
                                       .pod_id = "pod",
                                       .hostname = "name",
                                       .has_share = true,
                                       .network = network };

    setup = coco_vm_setup_new(&config);
    coco_vm_setup_start(setup, on_told, NULL);
    cr_assert_eq(told, 0);
}

static void
fails_with(CocoTtrpcCode code, const char *text)
{
    wait_until_told(1);
    cr_assert_not_null(failure);
    cr_assert_eq(failure->code, (int) code, "%s", failure->message);
    cr_assert(g_str_has_prefix(failure->message, text), "%s", failure->message);
}

Test(vm_setup, does_its_steps_and_takes_them_back)
{
    start(LONG_US);
    wait_until_told(1);
    cr_assert_null(failure);
    cr_assert_str_eq(seen->str, "hc");
    cr_assert_not_null(coco_vm_setup_agent(setup));
    coco_vm_setup_undo(setup, LONG_US, on_told, NULL);
    wait_until_told(2);
    cr_assert_null(failure);
    cr_assert_str_eq(seen->str, "hcd");
}

/* What a step has to do may be nothing (no neighbours), or several calls. */
Test(vm_setup, gives_the_guest_its_network)
{
    network = coco_pod_network_new(NULL);
    coco_pod_network_set_user(network);
    coco_pod_network_set_place(network, 0, "19/00");
    start(LONG_US);
    wait_until_told(1);
    cr_assert_null(failure);
    cr_assert_str_eq(seen->str, "hcir");
    g_clear_pointer(&network, coco_pod_network_free);
}

Test(vm_setup, an_interface_is_refused)
{
    network = coco_pod_network_new(NULL);
    coco_pod_network_set_user(network);
    coco_pod_network_set_place(network, 0, "19/00");
    behaviour[INTERFACE] = REFUSES;
    refusal = COCO_TTRPC_NOT_FOUND;
    start(LONG_US);
    fails_with(COCO_TTRPC_NOT_FOUND, "set up network interfaces in the guest: no");
    g_clear_pointer(&network, coco_pod_network_free);
}

Test(vm_setup, nobody_listens)
{
    g_free(address);
    address = g_strdup("unix:///nowhere/agent");
    start(SHORT_US);
    wait_until_told(1);
    cr_assert_not_null(failure);
    cr_assert(g_str_has_prefix(failure->message, "connect to the agent: "), "%s", failure->message);
    cr_assert_null(coco_vm_setup_agent(setup));
}

Test(vm_setup, names_the_step_that_is_refused)
{
    behaviour[CREATE] = REFUSES;
    refusal = COCO_TTRPC_INTERNAL;
    start(LONG_US);
    fails_with(COCO_TTRPC_INTERNAL, "set up the sandbox in the guest: no");
}

/* As if it had been given up here: a guest could have a pod wait for ever. */
Test(vm_setup, a_guest_may_call_its_answer_cancelled)
{
    behaviour[CHECK] = REFUSES;
    refusal = COCO_TTRPC_CANCELLED;
    start(LONG_US);
    fails_with(COCO_TTRPC_CANCELLED, "check the agent: no");
}

Test(vm_setup, an_agent_is_silent)
{
    behaviour[CHECK] = IS_SILENT;
    start(SHORT_US);
    fails_with(COCO_TTRPC_DEADLINE_EXCEEDED, "check the agent: it did not answer within ");
}

Test(vm_setup, the_guest_goes_away)
{
    behaviour[CREATE] = HANGS_UP;
    start(LONG_US);
    fails_with(COCO_TTRPC_UNAVAILABLE, "set up the sandbox in the guest: the guest went away (");
}

Test(vm_setup, takes_back_only_what_was_done)
{
    behaviour[CREATE] = REFUSES;
    refusal = COCO_TTRPC_INTERNAL;
    start(LONG_US);
    wait_until_told(1);
    coco_vm_setup_undo(setup, LONG_US, on_told, NULL);
    wait_until_told(2);
    cr_assert_null(failure);
    cr_assert_str_eq(seen->str, "hc");
}

Test(vm_setup, a_silent_guest_does_not_hold_up_the_end)
{
    int64_t began;

    behaviour[DESTROY] = IS_SILENT;
    start(LONG_US);
    wait_until_told(1);
    began = g_get_monotonic_time();
    coco_vm_setup_undo(setup, SHORT_US, on_told, NULL);
    wait_until_told(2);
    cr_assert_lt(g_get_monotonic_time() - began, LONG_US);
    cr_assert_eq(failure->code, COCO_TTRPC_DEADLINE_EXCEEDED);
    cr_assert(g_str_has_prefix(failure->message, "take back 'set up the sandbox in the guest': "));
}

Test(vm_setup, nobody_is_told_after_a_cancel)
{
    behaviour[CHECK] = IS_SILENT;
    start(LONG_US);
    while (held == NULL)
        (void) g_main_context_iteration(NULL, TRUE);
    coco_vm_setup_cancel(setup);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_clear_pointer(&setup, coco_vm_setup_free);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_assert_eq(told, 0);
    cr_assert_str_eq(seen->str, "h");
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The steps. Every call of one holds a reference, and what it brings counts only while somebody is
 * to be told: the codes of an answer are the guest's to choose, CANCELLED too.
 */
#include "shim/vm/vm-setup.h"

#include "guest-protocol/agent/agent-call.h"
#include "guest-protocol/posix/fd.h"
#include "guest-protocol/ttrpc/transport.h"
#include "shim/storage/share.h"

#define SHARE_TAG "kataShared"

struct _CocoVmSetup {
    CocoVmSetupConfig config;
    GCancellable *cancellable; /* of the call under way */
    CocoTtrpcClient *agent;
    size_t n_done;
    size_t n_interfaces; /* that the guest has */
    int64_t undo_by;
    CocoWaiterFunc func; /* NULL: nobody is to be told */
    void *user_data;
};

static void connect_to_agent(CocoVmSetup *setup);
static void check_agent(CocoVmSetup *setup);
static void create_sandbox(CocoVmSetup *setup);
static void destroy_sandbox(CocoVmSetup *setup);
static void update_interfaces(CocoVmSetup *setup);
static void update_routes(CocoVmSetup *setup);
static void add_neighbours(CocoVmSetup *setup);

typedef struct {
    const char *name; /* for errors */
    void (*start)(CocoVmSetup *setup);
    void (*undo)(CocoVmSetup *setup); /* NULL: there is nothing to take back */
} Step;

static const Step steps[] = {
    { "connect to the agent", connect_to_agent, NULL },
    { "check the agent", check_agent, NULL },
    { "set up the sandbox in the guest", create_sandbox, destroy_sandbox },
    { "set up network interfaces in the guest", update_interfaces, NULL },
    { "set up routes in the guest", update_routes, NULL },
    { "set up neighbours in the guest", add_neighbours, NULL },
};

CocoVmSetup *
coco_vm_setup_new(const CocoVmSetupConfig *config)
{
    CocoVmSetup *setup = g_rc_box_new0(CocoVmSetup);

    setup->config = *config;
    setup->cancellable = g_cancellable_new();
    return setup;
}

static void
clear(void *data)
{
    CocoVmSetup *setup = data;

    g_object_unref(setup->cancellable);
}

static void
unref(CocoVmSetup *setup)
{
    g_rc_box_release_full(setup, clear);
}

void
coco_vm_setup_free(CocoVmSetup *setup)
{
    if (setup == NULL)
        return;
    coco_vm_setup_cancel(setup);
    g_clear_pointer(&setup->agent, coco_ttrpc_client_free);
    unref(setup);
}

void
coco_vm_setup_cancel(CocoVmSetup *setup)
{
    setup->func = NULL;
    g_cancellable_cancel(setup->cancellable);
}

CocoTtrpcClient *
coco_vm_setup_agent(const CocoVmSetup *setup)
{
    return setup->agent;
}

/* error: nullable */
static void
tell(CocoVmSetup *setup, const GError *error)
{
    CocoWaiterFunc func = setup->func;

    setup->func = NULL;
    func(error, setup->user_data);
}

/* (transfer full) */
static GError *
describe(const CocoVmSetup *setup, const char *step, const GError *error)
{
    if (g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED))
        return g_error_new(error->domain, error->code, "%s: it did not answer within %.0f s", step,
                           (double) setup->config.timeout_us / G_USEC_PER_SEC);
    if (setup->agent != NULL && coco_ttrpc_client_is_closed(setup->agent))
        return g_error_new(error->domain, error->code, "%s: the guest went away (%s: %s)", step,
                           setup->config.agent, error->message);
    return g_error_new(error->domain, error->code, "%s: %s", step, error->message);
}

/* ---- forth ---- */

static void
end_step(CocoVmSetup *setup, const GError *error)
{
    g_autoptr(GError) failure = NULL;

    if (error != NULL) {
        failure = describe(setup, steps[setup->n_done].name, error);
        tell(setup, failure);
    } else if (++setup->n_done < G_N_ELEMENTS(steps)) {
        steps[setup->n_done].start(setup);
    } else {
        tell(setup, NULL);
    }
}

static void
on_answer(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    CocoVmSetup *setup = user_data;

    if (setup->func != NULL)
        end_step(setup, error);
    unref(setup);
}

static void
on_connected(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_auto(CocoFd) fd = coco_transport_connect_finish(result, &error);
    CocoVmSetup *setup = user_data;

    if (setup->func != NULL) {
        if (fd >= 0)
            setup->agent = coco_ttrpc_client_new(coco_fd_steal(&fd));
        end_step(setup, error);
    }
    unref(setup);
}

static void
connect_to_agent(CocoVmSetup *setup)
{
    coco_transport_connect_async(setup->config.agent, setup->config.timeout_us, setup->cancellable,
                                 on_connected, g_rc_box_acquire(setup));
}

static CocoAgentCall
call_of(CocoVmSetup *setup, int64_t timeout_us, GAsyncReadyCallback callback)
{
    return (CocoAgentCall){ .client = setup->agent,
                            .timeout_us = timeout_us,
                            .cancellable = setup->cancellable,
                            .callback = callback,
                            .user_data = g_rc_box_acquire(setup) };
}

static void
check_agent(CocoVmSetup *setup)
{
    CocoAgentCall call = call_of(setup, setup->config.timeout_us, on_answer);

    coco_agent_check(&call);
}

static void
create_sandbox(CocoVmSetup *setup)
{
    static const char *const shm_options[] = { "noexec", "nosuid", "nodev", "mode=1777",
                                               "size=67108864" };
    Grpc__Storage shm = GRPC__STORAGE__INIT;
    Grpc__Storage share = GRPC__STORAGE__INIT;
    Grpc__Storage *storages[] = { &shm, &share };
    const CocoAgentSandbox sandbox = { .id = setup->config.pod_id,
                                       .hostname = setup->config.hostname,
                                       .dns = setup->config.dns,
                                       .storages = storages,
                                       .n_storages = setup->config.has_share ? 2 : 1 };
    CocoAgentCall call = call_of(setup, setup->config.timeout_us, on_answer);

    shm.driver = (char *) "ephemeral";
    shm.source = (char *) "shm";
    shm.fstype = (char *) "tmpfs";
    shm.options = (char **) (void *) shm_options;
    shm.n_options = G_N_ELEMENTS(shm_options);
    shm.mount_point = (char *) COCO_SHM_IN_GUEST;
    share.driver = (char *) "virtio-fs";
    share.source = (char *) SHARE_TAG;
    share.fstype = (char *) "virtiofs";
    share.mount_point = (char *) COCO_SHARE_IN_GUEST "/";
    coco_agent_create_sandbox(&call, &sandbox);
}

static void
on_interface(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    CocoVmSetup *setup = user_data;

    if (setup->func != NULL && error != NULL) {
        end_step(setup, error);
    } else if (setup->func != NULL) {
        setup->n_interfaces++;
        update_interfaces(setup);
    }
    unref(setup);
}

static size_t
count_interfaces(const CocoVmSetup *setup)
{
    return setup->config.network != NULL ? coco_pod_network_count(setup->config.network) : 0;
}

static void
update_interfaces(CocoVmSetup *setup)
{
    const CocoPodNetwork *network = setup->config.network;
    CocoAgentCall call;

    if (setup->n_interfaces == count_interfaces(setup)) {
        end_step(setup, NULL);
        return;
    }
    call = call_of(setup, setup->config.timeout_us, on_interface);
    coco_agent_update_interface(&call, coco_pod_network_interface(network, setup->n_interfaces));
}

/* Also when there are none: those that the kernel has guessed go. */
static void
update_routes(CocoVmSetup *setup)
{
    CocoAgentCall call;

    if (count_interfaces(setup) == 0) {
        end_step(setup, NULL);
        return;
    }
    call = call_of(setup, setup->config.timeout_us, on_answer);
    coco_agent_update_routes(&call, coco_pod_network_routes(setup->config.network));
}

static void
add_neighbours(CocoVmSetup *setup)
{
    const Grpc__ARPNeighbors *neighbours =
        count_interfaces(setup) > 0 ? coco_pod_network_neighbours(setup->config.network) : NULL;
    CocoAgentCall call;

    if (neighbours == NULL || neighbours->n_arpneighbors == 0) {
        end_step(setup, NULL);
        return;
    }
    call = call_of(setup, setup->config.timeout_us, on_answer);
    coco_agent_add_arp_neighbors(&call, neighbours);
}

void
coco_vm_setup_start(CocoVmSetup *setup, CocoWaiterFunc func, void *user_data)
{
    setup->func = func;
    setup->user_data = user_data;
    steps[0].start(setup);
}

/* ---- and back ---- */

static void
undo_next(CocoVmSetup *setup)
{
    while (setup->n_done > 0) {
        const Step *step = &steps[--setup->n_done];

        if (step->undo != NULL) {
            step->undo(setup);
            return;
        }
    }
    tell(setup, NULL);
}

static void
on_undone(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    CocoVmSetup *setup = user_data;

    g_prefix_error(&error, "take back '%s': ", steps[setup->n_done].name);
    if (setup->func != NULL && error != NULL)
        tell(setup, error);
    else if (setup->func != NULL)
        undo_next(setup);
    unref(setup);
}

static void
destroy_sandbox(CocoVmSetup *setup)
{
    int64_t left = setup->undo_by - g_get_monotonic_time();
    CocoAgentCall call = call_of(setup, MAX(left, 1), on_undone);

    coco_agent_destroy_sandbox(&call);
}

void
coco_vm_setup_undo(CocoVmSetup *setup, int64_t timeout_us, CocoWaiterFunc func, void *user_data)
{
    setup->func = func;
    setup->user_data = user_data;
    setup->undo_by = g_get_monotonic_time() + timeout_us;
    undo_next(setup);
}

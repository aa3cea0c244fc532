// SPDX-License-Identifier: Apache-2.0
/*
 * Look, plug in, tell the agent (late-network.h). Who asked to be told is forgotten when the object
 * is freed; the look into the namespace ends later, and the object with it.
 */
#include "shim/vm/late-network.h"

#include "guest-protocol/agent/agent-call.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/network/pod-network.h"

#define AGENT_TIMEOUT_US (30 * G_USEC_PER_SEC)

struct _CocoLateNetwork {
    CocoSignals *signals;
    CocoPodVm *vm;
    CocoVmChanges *changes;
    CocoPodNetwork *network; /* nullable: nobody has looked */
    GCancellable *cancellable;
    size_t n_told;  /* interfaces that the agent has */
    bool looks;     /* a child is in the namespace */
    bool abandoned; /* freed meanwhile */
    CocoLateNetworkFunc func;
    void *user_data;
};

static void tell_interface(CocoLateNetwork *late);

CocoLateNetwork *
coco_late_network_new(CocoSignals *signals, CocoPodVm *vm, CocoVmChanges *changes)
{
    CocoLateNetwork *late = g_new0(CocoLateNetwork, 1);

    late->signals = signals;
    late->vm = vm;
    late->changes = changes;
    late->cancellable = g_cancellable_new();
    return late;
}

void
coco_late_network_free(CocoLateNetwork *late)
{
    if (late == NULL)
        return;
    g_cancellable_cancel(late->cancellable);
    if (late->looks) {
        late->abandoned = true;
        coco_pod_network_cancel(late->network);
        return;
    }
    coco_pod_network_free(late->network);
    g_object_unref(late->cancellable);
    g_free(late);
}

/* error: nullable */
static void
finish(CocoLateNetwork *late, const GError *error)
{
    g_autoptr(GError) failure = NULL;

    if (error == NULL)
        coco_pod_vm_forward(late->vm, late->network);
    else
        failure = g_error_new(error->domain, error->code,
                              "take the network of the VM's process: %s", error->message);
    late->func(failure, late->user_data);
}

/* ---- the agent ---- */

static CocoAgentCall
call_of(CocoLateNetwork *late, GAsyncReadyCallback callback)
{
    return (CocoAgentCall){ .client = coco_pod_vm_agent(late->vm),
                            .timeout_us = AGENT_TIMEOUT_US,
                            .cancellable = late->cancellable,
                            .callback = callback,
                            .user_data = late };
}

/* False when it is over, and late perhaps gone. */
static bool
take_answer(GAsyncResult *result, CocoLateNetwork *late)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);

    if (g_cancellable_is_cancelled(g_task_get_cancellable(G_TASK(result))))
        return false;
    if (reply == NULL)
        finish(late, error);
    return reply != NULL;
}

static void
on_neighbours(GObject *source, GAsyncResult *result, void *user_data)
{
    if (take_answer(result, user_data))
        finish(user_data, NULL);
}

static void
on_routes(GObject *source, GAsyncResult *result, void *user_data)
{
    CocoLateNetwork *late = user_data;
    const Grpc__ARPNeighbors *neighbours;
    CocoAgentCall call;

    if (!take_answer(result, late))
        return;
    neighbours = coco_pod_network_neighbours(late->network);
    if (neighbours->n_arpneighbors == 0) {
        finish(late, NULL);
        return;
    }
    call = call_of(late, on_neighbours);
    coco_agent_add_arp_neighbors(&call, neighbours);
}

static void
on_interface(GObject *source, GAsyncResult *result, void *user_data)
{
    CocoLateNetwork *late = user_data;

    if (!take_answer(result, late))
        return;
    late->n_told++;
    tell_interface(late);
}

static void
tell_interface(CocoLateNetwork *late)
{
    CocoAgentCall call;

    if (late->n_told < coco_pod_network_count(late->network)) {
        call = call_of(late, on_interface);
        coco_agent_update_interface(&call, coco_pod_network_interface(late->network, late->n_told));
    } else {
        call = call_of(late, on_routes);
        coco_agent_update_routes(&call, coco_pod_network_routes(late->network));
    }
}

/* ---- the VM ---- */

static void
on_attached(char *const *places, const GError *error, void *user_data)
{
    CocoLateNetwork *late = user_data;

    coco_pod_network_close_taps(late->network);
    if (error != NULL) {
        finish(late, error);
        return;
    }
    for (size_t i = 0; i < coco_pod_network_count(late->network); i++)
        coco_pod_network_set_place(late->network, i, places[i]);
    tell_interface(late);
}

static void
attach(CocoLateNetwork *late, size_t n)
{
    g_autofree CocoLaunchNic *nics = g_new0(CocoLaunchNic, n);
    g_autoptr(GError) error = NULL;

    if (!coco_vm_changes_reserve(late->changes, n)) {
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                            "the VM has no room for %zu interfaces", n);
        finish(late, error);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const Types__Interface *interface = coco_pod_network_interface(late->network, i);

        nics[i].mac = interface->hwaddr;
        nics[i].mtu = (unsigned int) interface->mtu;
        nics[i].taps = coco_pod_network_taps(late->network, i, &nics[i].n_taps);
    }
    coco_vm_changes_attach_nics(late->changes, nics, n, on_attached, late);
}

/* ---- the namespace ---- */

static void
on_looked(const GError *error, void *user_data)
{
    CocoLateNetwork *late = user_data;
    /* QEMU is in the launcher's, which it was to stay in: nothing is made there for a pod. */
    bool is_hosts = g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION);
    size_t n = error == NULL ? coco_pod_network_count(late->network) : 0;

    late->looks = false;
    if (late->abandoned)
        coco_late_network_free(late);
    else if (error != NULL && !is_hosts)
        finish(late, error);
    else if (n == 0)
        finish(late, NULL);
    else
        attach(late, n);
}

void
coco_late_network_take(CocoLateNetwork *late, CocoLateNetworkFunc func, void *user_data)
{
    unsigned int queues = coco_pod_vm_late_queues(late->vm);
    g_autofree char *path = NULL;

    if (late->network != NULL || queues == 0) {
        func(NULL, user_data);
        return;
    }
    path = g_strdup_printf("/proc/%d/ns/net", coco_pod_vm_pid(late->vm));
    late->func = func;
    late->user_data = user_data;
    late->network = coco_pod_network_new(late->signals);
    late->looks = true;
    coco_pod_network_set_up(late->network, path, queues, on_looked, late);
}

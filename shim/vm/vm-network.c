// SPDX-License-Identifier: Apache-2.0
/*
 * From the config's word to the launcher's request (vm-network.h).
 */
#include "shim/vm/vm-network.h"

#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/network/pod-netns.h"
#include "shim/network/port-forward.h"

typedef struct {
    CocoVmNetworkFunc func;
    void *user_data;
} Waiter;

struct _CocoVmNetwork {
    const CocoPodDir *dir;
    CocoPodNetwork *pod;
    CocoLauncher *launcher; /* nullable: none that waits */
    CocoLaunchNeeds *needs; /* nullable: not known, or told */
    char *path;             /* nullable: no namespace to be looked into */
    char *vm_netns;         /* of launch-needs.h */
    unsigned int queues;    /* of an interface; 0 before the needs are known */
    bool takes_late;        /* what appears in a namespace of QEMU's own */
    CocoLauncherFacts facts;
    bool works;   /* a child is in the namespace */
    bool known;   /* what the VM gets of it */
    GArray *nics; /* of CocoLaunchNic */
    Waiter failed;
    Waiter undone;            /* func NULL: nobody asked */
    CocoPortForward *forward; /* nullable */
};

CocoVmNetwork *
coco_vm_network_new(const CocoPodDir *dir, CocoSignals *signals, CocoVmNetworkFunc failed,
                    void *user_data)
{
    CocoVmNetwork *network = g_new0(CocoVmNetwork, 1);

    network->dir = dir;
    network->failed = (Waiter){ .func = failed, .user_data = user_data };
    network->pod = coco_pod_network_new(signals);
    network->nics = g_array_new(FALSE, FALSE, sizeof(CocoLaunchNic));
    return network;
}

void
coco_vm_network_free(CocoVmNetwork *network)
{
    if (network == NULL)
        return;
    coco_port_forward_free(network->forward);
    coco_pod_network_free(network->pod);
    coco_launch_needs_free(network->needs);
    g_array_unref(network->nics);
    g_free(network->path);
    g_free(network->vm_netns);
    g_free(network);
}

static void
list_nics(CocoVmNetwork *network)
{
    for (size_t i = 0; i < coco_pod_network_count(network->pod); i++) {
        const Types__Interface *interface = coco_pod_network_interface(network->pod, i);
        CocoLaunchNic nic = { .mac = interface->hwaddr, .mtu = (unsigned int) interface->mtu };

        nic.taps = coco_pod_network_taps(network->pod, i, &nic.n_taps);
        g_array_append_val(network->nics, nic);
    }
}

static bool
send_needs(CocoVmNetwork *network, GError **error)
{
    CocoLaunchNeeds needs;
    bool sent;

    if (network->launcher == NULL || network->needs == NULL || !network->known)
        return true;
    needs = *network->needs;
    needs.netns = network->vm_netns;
    needs.nics = (const CocoLaunchNic *) (void *) network->nics->data;
    needs.n_nics = network->nics->len;
    sent = coco_launcher_send(network->launcher, &needs, error);
    g_clear_pointer(&network->needs, coco_launch_needs_free);
    return sent;
}

/* error: nullable. */
static void
finish_configuration(CocoVmNetwork *network, const GError *error)
{
    g_autoptr(GError) failure = NULL;

    network->known = error == NULL;
    if (network->known)
        list_nics(network);
    if (error != NULL || !send_needs(network, &failure))
        network->failed.func(error != NULL ? error : failure, network->failed.user_data);
}

void
coco_vm_network_set_launcher(CocoVmNetwork *network, CocoLauncher *launcher)
{
    network->launcher = launcher;
}

static void
on_undone(const GError *error, void *user_data)
{
    CocoVmNetwork *network = user_data;
    Waiter undone = network->undone;

    network->works = false;
    undone.func(error, undone.user_data);
}

static void
undo_now(CocoVmNetwork *network)
{
    coco_pod_network_close_taps(network->pod);
    network->works = true;
    coco_pod_network_undo(network->pod, on_undone, network);
}

static void
on_set_up(const GError *error, void *user_data)
{
    CocoVmNetwork *network = user_data;
    g_autoptr(GError) failure = NULL;

    network->works = false;
    if (network->undone.func != NULL) {
        undo_now(network);
        return;
    }
    if (error != NULL)
        failure =
            g_error_new(error->domain, error->code, "set up the pod's network: %s", error->message);
    finish_configuration(network, failure);
}

static void
set_up(CocoVmNetwork *network)
{
    g_autofree char *path = g_steal_pointer(&network->path);

    network->works = true;
    coco_pod_network_set_up(network->pod, path, network->queues, on_set_up, network);
}

/* A queue for each CPU of the VM, as soon as it is known how many it gets. */
static void
count_queues(CocoVmNetwork *network)
{
    unsigned int max = network->facts.max_vcpus;

    if (network->needs != NULL && max > 0)
        network->queues = MIN(network->facts.vcpus + MIN(network->needs->size.vcpus, max), max);
    if (network->queues > 0 && network->path != NULL && network->undone.func == NULL)
        set_up(network);
}

bool
coco_vm_network_launch(CocoVmNetwork *network, const CocoLaunchNeeds *needs, GError **error)
{
    coco_launch_needs_free(network->needs);
    network->needs = coco_launch_needs_copy(needs);
    count_queues(network);
    return send_needs(network, error);
}

/* A task's pid is QEMU's: who looks for the pod's network there finds it, and who makes it there
 * (ctr run --cni, nerdctl) does not change the host's. */
static void
choose_netns(CocoVmNetwork *network, const char *model, CocoNetnsKind kind, const char *path)
{
    if (kind == COCO_NETNS_HOST || strcmp(model, "user") == 0) /* QEMU leads out of the host */
        return;
    network->vm_netns = g_strdup(kind == COCO_NETNS_PATH ? path : "new");
}

void
coco_vm_network_configure(const CocoLauncherFacts *facts, void *user_data)
{
    CocoVmNetwork *network = user_data;
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    CocoNetnsKind kind = coco_pod_netns_load(network->dir, &path);

    if (network->undone.func != NULL) /* the VM is being ended */
        return;
    network->facts = *facts;
    network->facts.network = NULL; /* was lent */
    choose_netns(network, facts->network, kind, path);
    if (strcmp(facts->network, "none") == 0) {
        finish_configuration(network, NULL);
    } else if (kind == COCO_NETNS_HOST) {
        g_set_error(&error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "the pod is to have the host's network, which a VM cannot share");
        finish_configuration(network, error);
    } else if (strcmp(facts->network, "user") == 0) {
        coco_pod_network_set_user(network->pod);
        finish_configuration(network, NULL);
    } else if (kind == COCO_NETNS_PATH) {
        network->path = g_steal_pointer(&path);
        count_queues(network);
    } else {
        network->takes_late = true;
        count_queues(network);
        finish_configuration(network, NULL);
    }
}

bool
coco_vm_network_launched(CocoVmNetwork *network, char *const *places, GError **error)
{
    size_t n = coco_pod_network_count(network->pod);

    coco_pod_network_close_taps(network->pod);
    if (places == NULL || g_strv_length((char **) places) != n) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL,
                    "the launcher gave %u places for %zu interfaces",
                    places != NULL ? g_strv_length((char **) places) : 0, n);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        coco_pod_network_set_place(network->pod, i, places[i]);
    return true;
}

void
coco_vm_network_undo(CocoVmNetwork *network, CocoVmNetworkFunc func, void *user_data)
{
    if (network->undone.func != NULL)
        return;
    network->undone = (Waiter){ .func = func, .user_data = user_data };
    if (network->works)
        coco_pod_network_cancel(network->pod);
    else
        undo_now(network);
}

const CocoPodNetwork *
coco_vm_network_pod(const CocoVmNetwork *network)
{
    return network->pod;
}

void
coco_vm_network_forward(CocoVmNetwork *network, CocoPodNetwork *from, CocoTtrpcClient *agent)
{
    unsigned int n;
    int *fds = coco_pod_network_loopback(from != NULL ? from : network->pod, &n);

    if (n > 0)
        network->forward = coco_port_forward_new(agent, fds, n);
}

void
coco_vm_network_stop_forwarding(CocoVmNetwork *network)
{
    g_clear_pointer(&network->forward, coco_port_forward_free);
}

unsigned int
coco_vm_network_late_queues(const CocoVmNetwork *network)
{
    return network->takes_late ? network->queues : 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A child in the namespace, and what it sends (pod-network.h).
 *
 * A packet is a letter and a message: interface, routes, neighbours, what listens on the loopback,
 * or a warning's text. The child never waits for the reader, which reads when it has ended: what
 * does not fit into a socket's buffer is more than a pod has.
 */
#include "shim/network/pod-network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/host/forked-work.h"
#include "shim/network/loopback.h"
#include "shim/network/tap.h"

#define SET_UP_TIMEOUT_MS 10000
#define UNDO_TIMEOUT_MS 3000
#define PACKET_MAX (256 * 1024)
#define QUEUES_MAX 8
#define INTERFACES_MAX 8
#define OWN_NAMESPACE "/proc/self/ns/net"

/* QEMU's -netdev user, which answers DHCP with these. */
#define USER_MAC "52:54:00:12:34:56"
#define USER_ADDRESS "10.0.2.15"
#define USER_PREFIX "24"
#define USER_GATEWAY "10.0.2.2"
#define USER_MTU 1500
#define USER_NAME "eth0"

enum {
    PACKET_INTERFACE = 'I',
    PACKET_ROUTES = 'R',
    PACKET_NEIGHBOURS = 'N',
    PACKET_WARNING = 'W',
    PACKET_LOOPBACK = 'L',
};

typedef struct {
    Types__Interface *interface;
    int fds[QUEUES_MAX];
    unsigned int n_fds;
} Nic;

struct _CocoPodNetwork {
    CocoSignals *signals;
    char *path; /* nullable: nothing is in a namespace */
    unsigned int queues;
    GArray *nics; /* of Nic */
    Grpc__Routes *routes;
    Grpc__ARPNeighbors *neighbours;
    int loopback[COCO_LOOPBACK_FDS_MAX];
    unsigned int n_loopback;
    CocoForkedWork *work; /* nullable */
    int socket;           /* ours, while it works */
    int child_socket;
    CocoPodNetworkFunc func;
    void *user_data;
};

/* ---- the child ---- */

/* path: of a namespace that is not this process's own. False with FAILED_PRECONDITION for that
 * one. */
static bool
enter(const char *path, bool *out_gone, GError **error)
{
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat info;
    struct stat own;

    *out_gone = fd < 0 && errno == ENOENT;
    if (fd < 0 || fstat(fd, &info) < 0 || stat(OWN_NAMESPACE, &own) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "open network namespace '%s': %s", path, g_strerror(errno));
        return false;
    }
    if (info.st_dev == own.st_dev && info.st_ino == own.st_ino) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "network namespace '%s' is the host's: a VM cannot share it", path);
        return false;
    }
    if (setns(fd, CLONE_NEWNET) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "enter network namespace '%s': %s", path, g_strerror(errno));
        return false;
    }
    return true;
}

static bool
send_packet(char kind, const void *data, size_t length, const int *fds, unsigned int n_fds,
            GError **error)
{
    char control[CMSG_SPACE(sizeof(int) * QUEUES_MAX)] = { 0 };
    struct iovec parts[] = { { .iov_base = &kind, .iov_len = 1 },
                             { .iov_base = (void *) data, .iov_len = length } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = G_N_ELEMENTS(parts) };

    if (n_fds > 0) {
        struct cmsghdr *header;

        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * n_fds);
    }
    if (sendmsg(COCO_FORKED_FD, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                "tell of the pod's network: %s", g_strerror(errno));
    return false;
}

static bool
send_message(char kind, const ProtobufCMessage *message, const int *fds, unsigned int n_fds,
             GError **error)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    g_autofree uint8_t *packed = g_malloc(length + 1);

    (void) protobuf_c_message_pack(message, packed);
    return send_packet(kind, packed, length, fds, n_fds, error);
}

static bool
send_scan(const CocoNetworkScan *scan, GError **error)
{
    Grpc__Routes routes = GRPC__ROUTES__INIT;
    Grpc__ARPNeighbors neighbours = GRPC__ARPNEIGHBORS__INIT;

    routes.routes = (Types__Route **) scan->routes->pdata;
    routes.n_routes = scan->routes->len;
    neighbours.arpneighbors = (Types__ARPNeighbor **) scan->neighbours->pdata;
    neighbours.n_arpneighbors = scan->neighbours->len;
    for (guint i = 0; i < scan->warnings->len; i++) {
        const char *text = g_ptr_array_index(scan->warnings, i);

        if (!send_packet(PACKET_WARNING, text, strlen(text), NULL, 0, error))
            return false;
    }
    return send_message(PACKET_ROUTES, &routes.base, NULL, 0, error) &&
           send_message(PACKET_NEIGHBOURS, &neighbours.base, NULL, 0, error);
}

static bool
make_taps(CocoForkedReport *report, NlSock *sock, const CocoNetworkScan *scan, unsigned int queues,
          GError **error)
{
    for (size_t i = 0; i < scan->n_links; i++) {
        const CocoScannedLink *link = &scan->links[i];
        int fds[QUEUES_MAX];
        bool sent;

        coco_forked_report_step(report, "make taps in the pod's network namespace");
        if (!coco_tap_make(sock, link, fds, queues, error))
            return false;
        sent = send_message(PACKET_INTERFACE, &link->interface->base, fds, queues, error);
        for (unsigned int queue = 0; queue < queues; queue++)
            coco_fd_clear(&fds[queue]);
        if (!sent)
            return false;
    }
    return true;
}

/* A pod whose ports cannot be forwarded is one all the same. */
static bool
listen_on_loopback(GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *warning = NULL;
    int fds[COCO_LOOPBACK_FDS_MAX];
    unsigned int n = 0;
    bool sent;

    if (!coco_loopback_listen(fds, &n, &failure)) {
        warning = g_strdup_printf("its ports cannot be forwarded: %s", failure->message);
        return send_packet(PACKET_WARNING, warning, strlen(warning), NULL, 0, error);
    }
    sent = send_packet(PACKET_LOOPBACK, "", 0, fds, n, error);
    for (unsigned int i = 0; i < n; i++)
        coco_fd_clear(&fds[i]);
    return sent;
}

static bool
set_up(CocoForkedReport *report, void *data, GError **error)
{
    const CocoPodNetwork *network = data;
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(CocoNetworkScan) scan = NULL;
    bool gone;

    coco_forked_report_step(report, "enter the pod's network namespace");
    if (!enter(network->path, &gone, error))
        return false;
    sock = coco_netlink_open(error);
    scan = sock != NULL ? coco_network_scan(sock, error) : NULL;
    if (scan == NULL)
        return false;
    if (scan->n_links > INTERFACES_MAX) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "the pod has %zu interfaces, a VM at most %d", scan->n_links, INTERFACES_MAX);
        return false;
    }
    if (make_taps(report, sock, scan, network->queues, error) && listen_on_loopback(error) &&
        send_scan(scan, error))
        return true;
    (void) coco_tap_undo_all(sock, NULL);
    return false;
}

bool
coco_pod_network_undo_here(const char *path, GError **error)
{
    g_auto(CocoFd) own = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
    g_autoptr(NlSock) sock = NULL;
    g_autoptr(GError) failure = NULL;
    bool done;
    bool gone;

    if (!enter(path, &gone, &failure)) {
        /* In the host's namespace there is nothing of ours. */
        if (gone || g_error_matches(failure, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION))
            return true;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    sock = coco_netlink_open(error);
    done = sock != NULL && coco_tap_undo_all(sock, error);
    (void) setns(own, CLONE_NEWNET);
    return done;
}

static bool
undo(CocoForkedReport *report, void *data, GError **error)
{
    const CocoPodNetwork *network = data;

    coco_forked_report_step(report, "leave the pod's network namespace");
    return coco_pod_network_undo_here(network->path, error);
}

/* ---- what it says ---- */

static void
clear_nic(void *data)
{
    Nic *nic = data;

    for (unsigned int i = 0; i < nic->n_fds; i++)
        coco_fd_clear(&nic->fds[i]);
    nic->n_fds = 0;
    types__interface__free_unpacked(nic->interface, NULL);
}

/* The descriptors of a packet. */
static unsigned int
take_descriptors(struct msghdr *message, int fds[QUEUES_MAX])
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    unsigned int n;

    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return 0;
    n = (unsigned int) ((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(header), sizeof(int) * n);
    return n;
}

static void
take_packet(CocoPodNetwork *network, const uint8_t *packet, size_t length, Nic *nic)
{
    switch (packet[0]) {
    case PACKET_INTERFACE:
        nic->interface = types__interface__unpack(NULL, length - 1, packet + 1);
        break;
    case PACKET_ROUTES:
        network->routes = grpc__routes__unpack(NULL, length - 1, packet + 1);
        break;
    case PACKET_NEIGHBOURS:
        network->neighbours = grpc__arpneighbors__unpack(NULL, length - 1, packet + 1);
        break;
    case PACKET_WARNING:
        g_warning("network of the pod: %.*s", (int) length - 1, (const char *) packet + 1);
        break;
    case PACKET_LOOPBACK:
        network->n_loopback = MIN(nic->n_fds, COCO_LOOPBACK_FDS_MAX);
        for (unsigned int i = 0; i < network->n_loopback; i++)
            network->loopback[i] = coco_fd_steal(&nic->fds[i]);
        break;
    }
}

/* False when there is no more. */
static bool
read_packet(CocoPodNetwork *network, uint8_t *buffer)
{
    char control[CMSG_SPACE(sizeof(int) * QUEUES_MAX)];
    struct iovec bytes = { .iov_base = buffer, .iov_len = PACKET_MAX };
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    ssize_t n = recvmsg(network->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    Nic nic = { 0 };

    if (n <= 0)
        return false;
    nic.n_fds = take_descriptors(&message, nic.fds);
    take_packet(network, buffer, (size_t) n, &nic);
    if (nic.interface != NULL)
        g_array_append_val(network->nics, nic);
    else
        clear_nic(&nic);
    return true;
}

static void
finish(CocoPodNetwork *network, const GError *error)
{
    CocoPodNetworkFunc func = network->func;

    network->work = NULL;
    coco_fd_clear(&network->socket);
    func(error, network->user_data);
}

static void
on_set_up(const GError *error, void *user_data)
{
    CocoPodNetwork *network = user_data;
    g_autofree uint8_t *buffer = g_malloc(PACKET_MAX);
    g_autoptr(GError) failure = NULL;

    while (error == NULL && read_packet(network, buffer))
        ;
    if (error == NULL && (network->routes == NULL || network->neighbours == NULL))
        failure = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL,
                                      "the pod's network was not told whole");
    finish(network, error != NULL ? error : failure);
}

static void
on_undone(const GError *error, void *user_data)
{
    CocoPodNetwork *network = user_data;

    if (error == NULL)
        g_clear_pointer(&network->path, g_free);
    finish(network, error);
}

/* ---- the object ---- */

CocoPodNetwork *
coco_pod_network_new(CocoSignals *signals)
{
    CocoPodNetwork *network = g_new0(CocoPodNetwork, 1);

    network->signals = signals;
    network->nics = g_array_new(FALSE, FALSE, sizeof(Nic));
    g_array_set_clear_func(network->nics, clear_nic);
    network->socket = -1;
    network->child_socket = -1;
    return network;
}

static void
close_loopback(CocoPodNetwork *network)
{
    for (unsigned int i = 0; i < network->n_loopback; i++)
        coco_fd_clear(&network->loopback[i]);
    network->n_loopback = 0;
}

void
coco_pod_network_free(CocoPodNetwork *network)
{
    if (network == NULL)
        return;
    g_array_unref(network->nics);
    close_loopback(network);
    coco_fd_clear(&network->socket);
    if (network->routes != NULL)
        grpc__routes__free_unpacked(network->routes, NULL);
    if (network->neighbours != NULL)
        grpc__arpneighbors__free_unpacked(network->neighbours, NULL);
    g_free(network->path);
    g_free(network);
}

static bool
make_sockets(CocoPodNetwork *network, GError **error)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED, "make a socket: %s",
                    g_strerror(errno));
        return false;
    }
    network->socket = ends[0];
    network->child_socket = ends[1];
    return true;
}

/* Work that could not be begun ends like work that failed. */
static gboolean
on_not_begun(void *user_data)
{
    GTask *task = user_data;
    CocoPodNetwork *network = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    (void) g_task_propagate_boolean(task, &error);
    finish(network, error);
    return G_SOURCE_REMOVE;
}

static void
begin(CocoPodNetwork *network, CocoForkedWorkFunc work, unsigned int timeout_ms,
      CocoForkedWorkDone done)
{
    GError *error = NULL;
    GTask *task;

    if (make_sockets(network, &error))
        network->work =
            coco_forked_work_start_telling(network->signals, work, network, network->child_socket,
                                           timeout_ms, done, network, &error);
    coco_fd_clear(&network->child_socket);
    if (network->work != NULL)
        return;
    task = g_task_new(NULL, NULL, NULL, NULL);
    g_task_set_task_data(task, network, NULL);
    g_task_return_error(task, error);
    (void) g_idle_add_full(G_PRIORITY_DEFAULT, on_not_begun, task, g_object_unref);
}

void
coco_pod_network_set_up(CocoPodNetwork *network, const char *path, unsigned int queues,
                        CocoPodNetworkFunc func, void *user_data)
{
    network->path = g_strdup(path);
    network->queues = CLAMP(queues, 1, QUEUES_MAX);
    network->func = func;
    network->user_data = user_data;
    begin(network, set_up, SET_UP_TIMEOUT_MS, on_set_up);
}

void
coco_pod_network_undo(CocoPodNetwork *network, CocoPodNetworkFunc func, void *user_data)
{
    if (network->path == NULL) {
        func(NULL, user_data);
        return;
    }
    close_loopback(network);
    network->func = func;
    network->user_data = user_data;
    begin(network, undo, UNDO_TIMEOUT_MS, on_undone);
}

void
coco_pod_network_cancel(CocoPodNetwork *network)
{
    if (network->work != NULL)
        coco_forked_work_cancel(network->work);
}

size_t
coco_pod_network_count(const CocoPodNetwork *network)
{
    return network->nics->len;
}

static Nic *
nic_at(const CocoPodNetwork *network, size_t i)
{
    return &g_array_index(network->nics, Nic, i);
}

const Types__Interface *
coco_pod_network_interface(const CocoPodNetwork *network, size_t i)
{
    return nic_at(network, i)->interface;
}

const int *
coco_pod_network_taps(const CocoPodNetwork *network, size_t i, unsigned int *out_n)
{
    *out_n = nic_at(network, i)->n_fds;
    return nic_at(network, i)->fds;
}

const Grpc__Routes *
coco_pod_network_routes(const CocoPodNetwork *network)
{
    return network->routes;
}

const Grpc__ARPNeighbors *
coco_pod_network_neighbours(const CocoPodNetwork *network)
{
    return network->neighbours;
}

/* The message's own text is protobuf-c's; it is freed with the message. */
static void
set_text(char **field, const char *text)
{
    if (*field != protobuf_c_empty_string)
        g_free(*field);
    *field = g_strdup(text);
}

void
coco_pod_network_set_place(CocoPodNetwork *network, size_t i, const char *place)
{
    set_text(&nic_at(network, i)->interface->devicepath, place);
}

int *
coco_pod_network_loopback(CocoPodNetwork *network, unsigned int *out_n)
{
    *out_n = network->n_loopback;
    network->n_loopback = 0;
    return network->loopback;
}

void
coco_pod_network_close_taps(CocoPodNetwork *network)
{
    for (size_t i = 0; i < network->nics->len; i++) {
        Nic *nic = nic_at(network, i);

        for (unsigned int queue = 0; queue < nic->n_fds; queue++)
            coco_fd_clear(&nic->fds[queue]);
        nic->n_fds = 0;
    }
}

/* ---- QEMU's own network ---- */

static Types__Interface *
user_interface(void)
{
    Types__Interface *interface = g_new(Types__Interface, 1);
    Types__IPAddress *address = g_new(Types__IPAddress, 1);

    types__interface__init(interface);
    types__ipaddress__init(address);
    address->address = g_strdup(USER_ADDRESS);
    address->mask = g_strdup(USER_PREFIX);
    interface->name = g_strdup(USER_NAME);
    interface->device = g_strdup(USER_NAME);
    interface->hwaddr = g_strdup(USER_MAC);
    interface->mtu = USER_MTU;
    interface->ipaddresses = g_new(Types__IPAddress *, 1);
    interface->ipaddresses[0] = address;
    interface->n_ipaddresses = 1;
    return interface;
}

void
coco_pod_network_set_user(CocoPodNetwork *network)
{
    Types__Route *route = g_new(Types__Route, 1);
    Nic nic = { .interface = user_interface() };

    types__route__init(route);
    route->gateway = g_strdup(USER_GATEWAY);
    route->device = g_strdup(USER_NAME);
    network->routes = g_new(Grpc__Routes, 1);
    grpc__routes__init(network->routes);
    network->routes->routes = g_new(Types__Route *, 1);
    network->routes->routes[0] = route;
    network->routes->n_routes = 1;
    network->neighbours = g_new(Grpc__ARPNeighbors, 1);
    grpc__arpneighbors__init(network->neighbours);
    g_array_append_val(network->nics, nic);
}

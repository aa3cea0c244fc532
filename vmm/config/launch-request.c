// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the line and takes it apart (launch-request.h).
 */
#include "vmm/config/launch-request.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"

#define NEW_NETNS "new"

void
coco_launch_request_clear(CocoLaunchRequest *request)
{
    g_clear_pointer(&request->netns, g_free);
    coco_vm_disks_clear(&request->disks);
    coco_vm_nics_clear(&request->nics);
}

static bool
take_disk(CocoLaunchRequest *request, json_object *disk, GError **error)
{
    json_object *path = json_object_object_get(disk, "path");
    json_object *readonly = json_object_object_get(disk, "readonly");
    const char *text =
        json_object_is_type(path, json_type_string) ? json_object_get_string(path) : "";

    if (!json_object_is_type(disk, json_type_object) || text[0] != '/' ||
        strlen(text) != (size_t) json_object_get_string_len(path))
        return coco_vmm_bad_config(error, "read launch request: disk %zu has no absolute path",
                                   request->disks.n);
    if (!json_object_is_type(readonly, json_type_boolean))
        return coco_vmm_bad_config(error,
                                   "read launch request: disk %zu: readonly is not true or false",
                                   request->disks.n);
    coco_vm_disks_add(&request->disks, text, json_object_get_boolean(readonly));
    return true;
}

static bool
take_disks(CocoLaunchRequest *request, json_object *disks, GError **error)
{
    size_t n;

    if (!json_object_is_type(disks, json_type_array))
        return coco_vmm_bad_config(error, "read launch request: disks is not a list");
    n = json_object_array_length(disks);
    if (n > COCO_VM_DISKS_MAX)
        return coco_vmm_bad_config(error,
                                   "read launch request: %zu disks are more than the %d of a VM", n,
                                   COCO_VM_DISKS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!take_disk(request, json_object_array_get_idx(disks, i), error))
            return false;
    }
    return true;
}

static bool
take_flag(json_object *object, const char *name, bool *out_flag, GError **error)
{
    json_object *flag = NULL;

    if (!json_object_object_get_ex(object, name, &flag))
        return true;
    if (!json_object_is_type(flag, json_type_boolean))
        return coco_vmm_bad_config(error, "read launch request: %s is not true or false", name);
    *out_flag = json_object_get_boolean(flag);
    return true;
}

static bool
take_number(json_object *object, const char *name, unsigned int *out_number, GError **error)
{
    json_object *number = NULL;
    int64_t value;

    if (!json_object_object_get_ex(object, name, &number))
        return true;
    value = json_object_is_type(number, json_type_int) ? json_object_get_int64(number) : -1;
    if (value < 0 || value > UINT32_MAX)
        return coco_vmm_bad_config(error, "read launch request: %s is not a number from 0 to %u",
                                   name, UINT32_MAX);
    *out_number = (unsigned int) value;
    return true;
}

static bool
take_nic(CocoLaunchRequest *request, json_object *nic, GError **error)
{
    size_t i = request->nics.n;
    const char *mac =
        json_object_is_type(nic, json_type_object) ? coco_json_string(nic, "mac") : NULL;
    gint64 mtu;
    gint64 queues;
    bool user = false;

    if (mac == NULL || !coco_vm_nic_is_mac(mac))
        return coco_vmm_bad_config(error, "read launch request: interface %zu has no address", i);
    mtu = coco_json_int(nic, "mtu");
    queues = coco_json_int(nic, "queues");
    if (!take_flag(nic, "user", &user, error))
        return false;
    if (mtu < COCO_VM_NIC_MTU_MIN || mtu > COCO_VM_NIC_MTU_MAX)
        return coco_vmm_bad_config(error, "read launch request: interface %zu: MTU out of range",
                                   i);
    if (user ? queues != 0 : queues < 1 || queues > COCO_VM_NIC_QUEUES_MAX)
        return coco_vmm_bad_config(
            error, "read launch request: interface %zu: number of queues out of range", i);
    coco_vm_nics_add(&request->nics, mac, (unsigned int) mtu, (unsigned int) queues, user);
    return true;
}

static bool
take_nics(CocoLaunchRequest *request, json_object *nics, GError **error)
{
    size_t n;

    if (!json_object_is_type(nics, json_type_array))
        return coco_vmm_bad_config(error, "read launch request: nics is not a list");
    n = json_object_array_length(nics);
    if (n > COCO_VM_NICS_MAX)
        return coco_vmm_bad_config(
            error, "read launch request: %zu interfaces are more than the %d of a VM", n,
            COCO_VM_NICS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!take_nic(request, json_object_array_get_idx(nics, i), error))
            return false;
    }
    return true;
}

static bool
take_netns(CocoLaunchRequest *request, json_object *object, GError **error)
{
    json_object *netns = NULL;
    const char *text;

    if (!json_object_object_get_ex(object, "netns", &netns))
        return true;
    text = json_object_is_type(netns, json_type_string) ? json_object_get_string(netns) : "";
    if (json_object_get_string_len(netns) == (int) strlen(text) &&
        (text[0] == '/' || strcmp(text, NEW_NETNS) == 0))
        request->netns = g_strdup(text[0] == '/' ? text : "");
    else
        return coco_vmm_bad_config(
            error, "read launch request: netns is neither an absolute path nor '" NEW_NETNS "'");
    return true;
}

static bool
take_object(CocoLaunchRequest *request, json_object *object, GError **error)
{
    json_object *disks = NULL;
    json_object *nics = NULL;

    if (!json_object_is_type(object, json_type_object))
        return coco_vmm_bad_config(error, "read launch request: not a JSON object");
    if (!take_flag(object, "share", &request->share, error) ||
        !take_flag(object, "hotplug", &request->hotplug, error) ||
        !take_netns(request, object, error) ||
        !take_number(object, "vcpus", &request->pod.vcpus, error) ||
        !take_number(object, "memory_mib", &request->pod.memory_mib, error))
        return false;
    if (json_object_object_get_ex(object, "nics", &nics) && !take_nics(request, nics, error))
        return false;
    return !json_object_object_get_ex(object, "disks", &disks) || take_disks(request, disks, error);
}

bool
coco_launch_request_parse(const char *text, size_t len, CocoLaunchRequest *out_request,
                          GError **error)
{
    g_auto(CocoLaunchRequest) request = { 0 };
    g_autoptr(json_object) object = NULL;
    json_tokener *tokener;
    bool whole;

    if (len > COCO_LAUNCH_REQUEST_MAX)
        return coco_vmm_bad_config(error, "read launch request: more than %d bytes",
                                   COCO_LAUNCH_REQUEST_MAX);
    tokener = json_tokener_new_ex(8);
    object = json_tokener_parse_ex(tokener, text, (int) len);
    whole = json_tokener_get_error(tokener) == json_tokener_success &&
            json_tokener_get_parse_end(tokener) == len;
    json_tokener_free(tokener);
    if (!whole)
        return coco_vmm_bad_config(error, "read launch request: not one JSON object in a line");
    if (!take_object(&request, object, error))
        return false;
    *out_request = request;
    request = (CocoLaunchRequest){ 0 };
    return true;
}

/* A signal other than a child's end, or 0. */
static int
take_signals(int signal_fd)
{
    struct signalfd_siginfo info;

    while (read(signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGCHLD)
            return (int) info.ssi_signo;
    }
    return 0;
}

/* What comes with the line. */
typedef struct {
    GString *text;
    GArray *fds; /* of int */
} Input;

static void
input_clear(Input *input)
{
    for (guint i = 0; i < input->fds->len; i++)
        coco_fd_clear(&g_array_index(input->fds, int, i));
    g_array_unref(input->fds);
    (void) g_string_free(input->text, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Input, input_clear)

static void
take_descriptors(Input *input, struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
            g_array_append_vals(input->fds, CMSG_DATA(part),
                                (guint) ((part->cmsg_len - CMSG_LEN(0)) / sizeof(int)));
    }
}

/* Appends what has come; false at the end of the input. */
static bool
read_some(int fd, Input *input)
{
    char buffer[4096];
    char control[CMSG_SPACE(sizeof(int) * COCO_VM_NICS_MAX * COCO_VM_NIC_QUEUES_MAX)];
    struct iovec bytes = { .iov_base = buffer, .iov_len = sizeof buffer };
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

    if (n >= 0)
        take_descriptors(input, &message);
    else if (errno == ENOTSOCK) /* a pipe, or a terminal */
        n = read(fd, buffer, sizeof buffer);
    if (n > 0)
        g_string_append_len(input->text, buffer, n);
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* A request with its descriptors. */
static bool
complete(Input *input, const char *end, CocoLaunchRequest *out_request, GError **error)
{
    g_auto(CocoLaunchRequest) request = { 0 };

    if (!coco_launch_request_parse(input->text->str, (size_t) (end - input->text->str), &request,
                                   error))
        return false;
    if (!coco_vm_nics_take(&request.nics, (int *) (void *) input->fds->data, input->fds->len))
        return coco_vmm_bad_config(
            error, "read launch request: %u descriptors for %zu queues of interfaces",
            input->fds->len, coco_vm_nics_queues(&request.nics));
    *out_request = request;
    request = (CocoLaunchRequest){ 0 };
    return true;
}

bool
coco_launch_request_read(int fd, int signal_fd, CocoLaunchRequest *out_request, GError **error)
{
    g_auto(Input)
        input = { .text = g_string_new(NULL), .fds = g_array_new(FALSE, FALSE, sizeof(int)) };
    const char *end = NULL;

    while (end == NULL) {
        struct pollfd events[] = { { .fd = fd, .events = POLLIN },
                                   { .fd = signal_fd, .events = POLLIN } };
        int signal = 0;

        if (poll(events, 2, -1) < 0 && errno != EINTR)
            return coco_vmm_error_errno(error, errno, "read launch request");
        if (events[1].revents != 0)
            signal = take_signals(signal_fd);
        if (signal != 0)
            return coco_vmm_failed(error, "read launch request: interrupted by signal %s",
                                   sigabbrev_np(signal));
        if (events[0].revents != 0 && !read_some(fd, &input))
            return coco_vmm_bad_config(
                error, "read launch request: standard input ended before the end of a line");
        if (input.text->len > COCO_LAUNCH_REQUEST_MAX)
            return coco_vmm_bad_config(error, "read launch request: more than %d bytes",
                                       COCO_LAUNCH_REQUEST_MAX);
        end = memchr(input.text->str, '\n', input.text->len);
    }
    return complete(&input, end, out_request, error);
}

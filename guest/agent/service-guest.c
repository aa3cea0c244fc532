// SPDX-License-Identifier: Apache-2.0
/*
 * Handlers about the guest itself: what it is, its processors and memory, its clock and randomness,
 * its metrics.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/agent-pb.h"
#include "guest/agent/service-private.h"
#include "guest/system/kernel-file.h"
#include "guest/system/pod-limits.h"

#define CPUS "/sys/devices/system/cpu"
#define MEMORY "/sys/devices/system/memory"
#define POD_CGROUP "/sys/fs/cgroup/pod"
#define ENTROPY_MAX 4096
#define PROBES_MAX 1024

static uint64_t
memory_block_size(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(MEMORY "/block_size_bytes", &text, NULL, NULL))
        return 0;
    return g_ascii_strtoull(text, NULL, 16);
}

void
coco_handle_get_guest_details(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__GuestDetailsRequest *request =
        (const Grpc__GuestDetailsRequest *) coco_ttrpc_call_get_request(call);
    Grpc__GuestDetailsResponse response = GRPC__GUEST_DETAILS_RESPONSE__INIT;
    Grpc__AgentDetails details;
    const char *const *drivers = coco_storage_drivers();

    grpc__agent_details__init(&details);
    details.version = (char *) (uintptr_t) COCO_VERSION;
    details.init_daemon = getpid() == 1;
    details.supports_seccomp = true;
    details.storage_handlers = (char **) (uintptr_t) drivers;
    details.n_storage_handlers = g_strv_length(details.storage_handlers);
    response.agent_details = &details;
    if (request->mem_block_size)
        response.mem_block_size_bytes = memory_block_size();
    if (request->mem_hotplug_probe)
        response.support_mem_hotplug_probe = access(MEMORY "/probe", W_OK) == 0;
    coco_ttrpc_call_reply(call, &response.base);
}

/* Turns on all that is off below directory, at most limit (0: all). What cannot be turned on is
 * left. */
static void
turn_on(const char *directory, const char *prefix, const char *file, const char *value,
        uint32_t limit)
{
    g_autoptr(GDir) entries = g_dir_open(directory, 0, NULL);
    const char *name;
    uint32_t done = 0;

    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL &&
           (limit == 0 || done < limit)) {
        g_autofree char *path = g_build_filename(directory, name, file, NULL);
        g_autofree char *state = NULL;

        if (!g_str_has_prefix(name, prefix) || !g_ascii_isdigit(name[strlen(prefix)]) ||
            !g_file_get_contents(path, &state, NULL, NULL))
            continue;
        if ((state[0] == '0' || g_str_has_prefix(state, "offline")) &&
            coco_kernel_file_write(path, value, NULL))
            done++;
    }
}

void
coco_handle_online_cpu_mem(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__OnlineCPUMemRequest *request =
        (const Grpc__OnlineCPUMemRequest *) coco_ttrpc_call_get_request(call);

    uint64_t before;

    if (request->wait) {
        coco_ttrpc_call_fail(call, COCO_TTRPC_UNIMPLEMENTED,
                             "wait: this agent turns on what is there");
        return;
    }
    before = coco_pod_limits_memory("/proc", "MemTotal:");
    turn_on(CPUS, "cpu", "online", "1", request->nb_cpus);
    if (!request->cpu_only)
        turn_on(MEMORY, "memory", "state", "online", 0);
    coco_pod_limits_grow("/proc", POD_CGROUP, before);
    coco_ttrpc_call_reply(call, NULL);
}

void
coco_handle_mem_hotplug_by_probe(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__MemHotplugByProbeRequest *request =
        (const Grpc__MemHotplugByProbeRequest *) coco_ttrpc_call_get_request(call);

    if (request->n_memhotplugprobeaddr > PROBES_MAX) {
        coco_ttrpc_call_fail(call, COCO_TTRPC_INVALID_ARGUMENT, "more than %d addresses",
                             PROBES_MAX);
        return;
    }
    for (size_t i = 0; i < request->n_memhotplugprobeaddr; i++) {
        g_autofree char *address =
            g_strdup_printf("0x%" G_GINT64_MODIFIER "x", request->memhotplugprobeaddr[i]);

        if (!coco_kernel_file_write(MEMORY "/probe", address, NULL)) {
            coco_ttrpc_call_fail(call, COCO_TTRPC_INTERNAL, "probe memory at %s: %s", address,
                                 g_strerror(errno));
            return;
        }
    }
    coco_ttrpc_call_reply(call, NULL);
}

void
coco_handle_set_guest_date_time(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__SetGuestDateTimeRequest *request =
        (const Grpc__SetGuestDateTimeRequest *) coco_ttrpc_call_get_request(call);
    struct timeval now = { .tv_sec = request->sec, .tv_usec = request->usec };

    if (settimeofday(&now, NULL) < 0)
        coco_ttrpc_call_fail(call,
                             errno == EINVAL ? COCO_TTRPC_INVALID_ARGUMENT : COCO_TTRPC_INTERNAL,
                             "set the clock: %s", g_strerror(errno));
    else
        coco_ttrpc_call_reply(call, NULL);
}

static bool
add_entropy(const ProtobufCBinaryData *data)
{
    g_auto(CocoFd) fd = open("/dev/random", O_RDWR | O_CLOEXEC);
    g_autofree struct rand_pool_info *pool = g_malloc0(sizeof *pool + data->len);

    /* The host is not trusted to know good randomness, so nothing is credited: it is only stirred
     * in. */
    pool->entropy_count = 0;
    pool->buf_size = (int) data->len;
    memcpy(pool->buf, data->data, data->len);
    return fd >= 0 && ioctl(fd, RNDADDENTROPY, pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0;
}

void
coco_handle_reseed_random_dev(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__ReseedRandomDevRequest *request =
        (const Grpc__ReseedRandomDevRequest *) coco_ttrpc_call_get_request(call);

    if (request->data.len == 0 || request->data.len > ENTROPY_MAX)
        coco_ttrpc_call_fail(call, COCO_TTRPC_INVALID_ARGUMENT, "1 to %d bytes, not %zu",
                             ENTROPY_MAX, request->data.len);
    else if (!add_entropy(&request->data))
        coco_ttrpc_call_fail(call, COCO_TTRPC_INTERNAL, "reseed: %s", g_strerror(errno));
    else
        coco_ttrpc_call_reply(call, NULL);
}

/* "MemTotal:   123 kB" lines become gauges in bytes. */
static void
append_memory(GString *text)
{
    g_autofree char *info = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/meminfo", &info, NULL, NULL))
        return;
    lines = g_strsplit(info, "\n", -1);
    g_string_append(text, "# TYPE kata_guest_meminfo gauge\n");
    for (size_t i = 0; lines[i] != NULL; i++) {
        char *colon = strchr(lines[i], ':');
        g_autofree char *item = NULL;

        if (colon == NULL)
            continue;
        item = g_ascii_strdown(lines[i], colon - lines[i]);
        g_string_append_printf(text, "kata_guest_meminfo{item=\"%s\"} %" G_GUINT64_FORMAT "\n",
                               g_strcanon(item, "abcdefghijklmnopqrstuvwxyz0123456789", '_'),
                               g_ascii_strtoull(colon + 1, NULL, 10) *
                                   (g_str_has_suffix(lines[i], "kB") ? 1024 : 1));
    }
}

static void
append_load(GString *text)
{
    static const char *const items[] = { "load1", "load5", "load15" };
    g_autofree char *load = NULL;
    g_auto(GStrv) words = NULL;

    if (!g_file_get_contents("/proc/loadavg", &load, NULL, NULL))
        return;
    words = g_strsplit(load, " ", -1);
    g_string_append(text, "# TYPE kata_guest_load gauge\n");
    for (size_t i = 0; i < G_N_ELEMENTS(items) && words[i] != NULL; i++)
        g_string_append_printf(text, "kata_guest_load{item=\"%s\"} %s\n", items[i], words[i]);
}

static void
append_agent(GString *text)
{
    g_autofree char *status = NULL;
    const char *line;

    if (g_file_get_contents("/proc/self/status", &status, NULL, NULL) &&
        (line = strstr(status, "\nVmRSS:")) != NULL)
        g_string_append_printf(text,
                               "# TYPE kata_agent_total_rss gauge\n"
                               "kata_agent_total_rss %" G_GUINT64_FORMAT "\n",
                               g_ascii_strtoull(line + strlen("\nVmRSS:"), NULL, 10) * 1024);
}

void
coco_handle_get_metrics(CocoTtrpcCall *call, void *user_data)
{
    Grpc__Metrics response;
    g_autoptr(GString) text = g_string_new(NULL);

    grpc__metrics__init(&response);
    append_agent(text);
    append_load(text);
    append_memory(text);
    response.metrics = text->str;
    coco_ttrpc_call_reply(call, &response.base);
}

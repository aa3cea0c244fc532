// SPDX-License-Identifier: Apache-2.0
/*
 * Writes and reads a job (worker-job.h). It comes from the launcher, and still nothing in it is
 * believed that a launch request could not say.
 */
#include "vmm/launch/worker-job.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"

static const char *const verbs[] = { "start", "attach", "detach", "resize", NULL };

G_STATIC_ASSERT(G_N_ELEMENTS(verbs) == COCO_N_JOB_VERBS + 1);

/* ---- names of descriptors ---- */

typedef void (*EachFunc)(const char *name, int *fd, void *user_data);

static void
each_of_nic(CocoVmNic *nic, size_t i, EachFunc func, void *user_data)
{
    for (unsigned int queue = 0; queue < nic->queues; queue++) {
        g_autofree char *tap = g_strdup_printf("nic%zu-tap%u", i, queue);
        g_autofree char *vhost = g_strdup_printf("nic%zu-vhost%u", i, queue);

        func(tap, &nic->fds[queue], user_data);
        func(vhost, &nic->vhost[queue], user_data);
    }
}

/* Every descriptor that a spec can have. */
static void
each_descriptor(const CocoVmSpec *spec, EachFunc func, void *user_data)
{
    for (size_t i = 0; i < spec->disks.n; i++) {
        g_autofree char *name = coco_vm_disk_name(i);

        func(name, &spec->disks.items[i].fd, user_data);
    }
    for (size_t i = 0; i < spec->nics.n; i++)
        each_of_nic(&spec->nics.items[i], i, func, user_data);
}

/* ---- writing ---- */

static void
add_name(const char *name, int *fd, void *user_data)
{
    if (*fd >= 0)
        (void) json_object_array_add(user_data, json_object_new_string(name));
}

static void
add_number(const char *name, int *fd, void *user_data)
{
    if (*fd >= 0)
        g_array_append_val((GArray *) user_data, *fd);
}

char *
coco_worker_job_text(const CocoWorkerJob *job)
{
    g_autoptr(json_object) object = json_object_new_object();
    json_object *slots = json_object_new_array();
    json_object *names = json_object_new_array();

    for (size_t i = 0; i < job->n_slots; i++)
        (void) json_object_array_add(slots, json_object_new_int64(job->slots[i]));
    each_descriptor(job->spec, add_name, names);
    coco_json_add_string(object, "verb", verbs[job->verb]);
    coco_json_add_string(object, "cache_dir", job->cache_dir);
    coco_json_add_int(object, "qemu_uid", job->qemu_uid);
    (void) json_object_object_add(object, "spec", coco_vm_spec_to_object(job->spec));
    (void) json_object_object_add(object, "slots", slots);
    coco_json_add_int(object, "vcpus", job->size.vcpus);
    coco_json_add_int(object, "memory_mib", job->size.memory_mib);
    (void) json_object_object_add(object, "descriptors", names);
    return g_strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE));
}

GArray *
coco_worker_job_descriptors(const CocoWorkerJob *job)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));

    each_descriptor(job->spec, add_number, fds);
    return fds;
}

/* ---- reading ---- */

static bool
refuse(GError **error, const char *what, const char *name)
{
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "descriptors: %s '%s'", what, name);
    return false;
}

static void
note_place(const char *name, int *fd, void *user_data)
{
    (void) g_hash_table_insert(user_data, g_strdup(name), fd);
}

static void
note_missing(const char *name, int *fd, void *user_data)
{
    GString *missing = user_data;

    if (*fd < 0 && missing->len == 0 && strstr(name, "-vhost") == NULL)
        g_string_assign(missing, name);
}

/* The kernel's help is for all queues of an interface, or for none. */
static bool
check_vhost(const CocoVmNics *nics, GError **error)
{
    for (size_t i = 0; i < nics->n; i++) {
        const CocoVmNic *nic = &nics->items[i];
        g_autofree char *name = coco_vm_nic_name(i);

        for (unsigned int queue = 1; queue < nic->queues; queue++) {
            if ((nic->vhost[queue] >= 0) != (nic->vhost[0] >= 0))
                return refuse(error, "vhost for some queues only of", name);
        }
    }
    return true;
}

static bool
take_descriptors(json_object *names, int first_fd, CocoVmSpec *spec, GError **error)
{
    g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GString) missing = g_string_new(NULL);

    each_descriptor(spec, note_place, places);
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        json_object *item = json_object_array_get_idx(names, i);
        const char *name =
            json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        int *place = g_hash_table_lookup(places, name);

        if (place == NULL)
            return refuse(error, "nothing is called, or twice,", name);
        *place = first_fd + (int) i;
        (void) g_hash_table_remove(places, name);
    }
    each_descriptor(spec, note_missing, missing);
    if (missing->len > 0)
        return refuse(error, "no", missing->str);
    return check_vhost(&spec->nics, error);
}

static bool
take_slots(json_object *list, CocoWorkerOrder *order, GError **error)
{
    CocoWorkerJob *job = &order->job;
    size_t n = json_object_array_length(list);

    for (size_t i = 0; i < n; i++) {
        json_object *item = json_object_array_get_idx(list, i);
        int64_t slot = json_object_is_type(item, json_type_int) ? json_object_get_int64(item) : 0;

        if (slot < 1 || slot > COCO_HOTPLUG_SLOTS) {
            g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED,
                        "slots[%zu]: not a number from 1 to %u", i, COCO_HOTPLUG_SLOTS);
            return false;
        }
        order->slots[job->n_slots++] = (unsigned int) slot;
    }
    if ((job->verb == COCO_JOB_ATTACH || job->verb == COCO_JOB_DETACH) == (n > 0) &&
        (job->verb != COCO_JOB_ATTACH || n == order->spec.disks.n + order->spec.nics.n))
        return true;
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "slots: %zu to %s %zu devices", n,
                verbs[job->verb], order->spec.disks.n + order->spec.nics.n);
    return false;
}

/* Between what the VM was launched with and what it has room for. */
static bool
check_size(const CocoWorkerJob *job, const CocoVmSpec *spec, GError **error)
{
    const CocoVmSize *size = &job->size;
    bool is_given = size->vcpus > 0 || size->memory_mib > 0;

    if (is_given == (job->verb == COCO_JOB_RESIZE) &&
        size->vcpus <= MAX(spec->max_vcpus, spec->vcpus) &&
        (size->memory_mib == 0 ||
         (size->memory_mib >= spec->memory_mib &&
          size->memory_mib <= MAX(spec->max_memory_mib, spec->memory_mib))))
        return true;
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED,
                "size: %u CPUs and %u MiB to %s a VM with room for %u and %u", size->vcpus,
                size->memory_mib, verbs[job->verb], spec->max_vcpus, spec->max_memory_mib);
    return false;
}

static bool
parse(json_object *object, int first_fd, CocoWorkerOrder *order, GError **error)
{
    json_object *spec;
    json_object *slots;
    json_object *names;
    const char *cache_dir;
    int verb;

    if (!coco_json_need_word(object, "verb", verbs, &verb, error) ||
        !coco_json_need_string(object, "cache_dir", &cache_dir, error) ||
        !coco_json_need_uint(object, "qemu_uid", 0, G_MAXINT, &order->job.qemu_uid, error) ||
        !coco_json_need_object(object, "spec", &spec, error) ||
        !coco_json_need_list(object, "slots", COCO_HOTPLUG_SLOTS, &slots, error) ||
        !coco_json_need_uint(object, "vcpus", 0, G_MAXINT, &order->job.size.vcpus, error) ||
        !coco_json_need_uint(object, "memory_mib", 0, G_MAXINT, &order->job.size.memory_mib,
                             error) ||
        !coco_json_need_list(object, "descriptors",
                             COCO_VM_DISKS_MAX + 2 * COCO_VM_NICS_MAX * COCO_VM_NIC_QUEUES_MAX,
                             &names, error))
        return false;
    order->job.verb = (CocoJobVerb) verb;
    order->cache_dir = g_strdup(cache_dir);
    if (!coco_vm_spec_from_json(spec, &order->spec, &order->config, error)) {
        g_prefix_error(error, "spec.");
        return false;
    }
    return take_slots(slots, order, error) && check_size(&order->job, &order->spec, error) &&
           take_descriptors(names, first_fd, &order->spec, error);
}

bool
coco_worker_order_parse(const char *text, size_t len, int first_fd, CocoWorkerOrder *out_order,
                        GError **error)
{
    g_autoptr(json_object) object = coco_json_parse(text, len, error);

    *out_order = (CocoWorkerOrder){ 0 };
    if (object == NULL || !parse(object, first_fd, out_order, error)) {
        coco_worker_order_clear(out_order);
        g_prefix_error(error, "read job: ");
        return false;
    }
    out_order->job.cache_dir = out_order->cache_dir;
    out_order->job.spec = &out_order->spec;
    out_order->job.slots = out_order->slots;
    return true;
}

bool
coco_worker_order_read(int fd, CocoWorkerOrder *out_order, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR)
            return coco_vmm_error_errno(error, errno, "read job");
        g_string_append_len(text, chunk, MAX(n, 0));
        if (text->len > COCO_WORKER_JOB_MAX)
            return coco_vmm_error_errno(error, EMSGSIZE, "read job");
    }
    return coco_worker_order_parse(text->str, text->len, COCO_WORKER_FIRST_FD, out_order, error);
}

void
coco_worker_order_clear(CocoWorkerOrder *order)
{
    coco_vm_spec_clear(&order->spec);
    g_clear_pointer(&order->config, coco_vm_config_free);
    g_clear_pointer(&order->cache_dir, g_free);
    order->job = (CocoWorkerJob){ 0 };
}

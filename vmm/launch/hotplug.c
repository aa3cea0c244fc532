// SPDX-License-Identifier: Apache-2.0
/*
 * Slots, their files, and the worker that changes them (hotplug.h).
 */
#include "vmm/launch/hotplug.h"

#include <errno.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/domain/device-plan.h"
#include "vmm/launch/launch-plan.h"
#include "vmm/launch/launch-report.h"
#include "vmm/launch/worker-watch.h"

typedef struct {
    CocoLaunchPlan plan;
    CocoLaunchReport report;
    const CocoHotplugOptions *options;
    gint64 deadline;
    int signal_fd;
    CocoDevicePlan *places; /* of the VM; NULL before its spec is known */
    GArray *slots;          /* of unsigned int */
} Hotplug;

static void
hotplug_clear(Hotplug *hotplug)
{
    coco_fd_clear(&hotplug->signal_fd);
    coco_launch_plan_clear(&hotplug->plan);
    coco_device_plan_free(hotplug->places);
    g_array_unref(hotplug->slots);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Hotplug, hotplug_clear)

/* Below the run directory. */
static char *
slot_name(unsigned int slot)
{
    g_autofree char *name = coco_hot_device_name(slot);

    return g_strconcat("vm/", name, NULL);
}

static char *
slot_file(const Hotplug *hotplug, unsigned int slot)
{
    g_autofree char *name = slot_name(slot);

    return coco_run_dir_file(hotplug->plan.run_dir, name);
}

static bool
is_taken(const Hotplug *hotplug, unsigned int slot)
{
    g_autofree char *path = slot_file(hotplug, slot);

    return access(path, F_OK) == 0;
}

/* Before a worker has them. */
static void
free_slots(const Hotplug *hotplug)
{
    for (guint i = 0; i < hotplug->slots->len; i++) {
        g_autofree char *path = slot_file(hotplug, g_array_index(hotplug->slots, unsigned int, i));

        (void) unlink(path);
    }
}

/* In the order of a job: disks, then interfaces. what: for people. */
static bool
take_slot(const Hotplug *hotplug, const char *what, unsigned int slot, GError **error)
{
    g_autofree char *name = slot_name(slot);

    if (!coco_run_dir_write(hotplug->plan.run_dir, name, what, error))
        return false;
    g_array_append_val(hotplug->slots, slot);
    return true;
}

static const char *
device_name(const CocoVmSpec *spec, size_t i)
{
    return i < spec->disks.n ? spec->disks.items[i].path : spec->nics.items[i - spec->disks.n].mac;
}

static bool
take_slots(const Hotplug *hotplug, GError **error)
{
    const CocoVmSpec *spec = &hotplug->plan.spec;
    size_t n = spec->disks.n + spec->nics.n;
    unsigned int room = coco_device_plan_slots(hotplug->places);

    for (unsigned int slot = 1; slot <= room && hotplug->slots->len < n; slot++) {
        if (!is_taken(hotplug, slot) &&
            !take_slot(hotplug, device_name(spec, hotplug->slots->len), slot, error))
            return false;
    }
    if (hotplug->slots->len == n)
        return true;
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BUSY,
                "attach %zu devices: a VM has room for %u, and some are taken", n, room);
    return false;
}

/* Loads what the launch decided, and takes the lock of a run directory with a VM. */
static bool
prepare(Hotplug *hotplug, GError **error)
{
    const CocoHotplugOptions *options = hotplug->options;
    CocoLaunchPlan *plan = &hotplug->plan;
    g_autofree char *pid_file = NULL;
    json_object *line = coco_launch_report_line("config");
    unsigned int timeout_s;

    if (!coco_launch_plan_load_saved(plan, options->run_dir, error)) {
        (void) json_object_put(line);
        return false;
    }
    hotplug->places = coco_device_plan_new(&plan->spec);
    timeout_s = coco_vm_config_number(plan->config, COCO_KEY_HOST_LAUNCH_TIMEOUT_S);
    hotplug->deadline = g_get_monotonic_time() + G_USEC_PER_SEC * (gint64) timeout_s;
    coco_json_add_int(line, "launch_timeout_ms", 1000 * (gint64) timeout_s);
    coco_launch_report_write(&hotplug->report, line);
    pid_file = coco_run_dir_file(plan->run_dir, "vm/run/qemu/coco.pid");
    if (access(pid_file, F_OK) < 0)
        return coco_vmm_error_errno(error, errno, "find a VM in '%s'", options->run_dir);
    hotplug->signal_fd = coco_worker_watch_signals(error);
    return hotplug->signal_fd >= 0 && coco_run_dir_claim(plan->run_dir, error);
}

static bool
work(Hotplug *hotplug, CocoJobVerb verb, GError **error)
{
    const CocoWorkerJob job = { .verb = verb,
                                .slots = (const unsigned int *) (void *) hotplug->slots->data,
                                .n_slots = hotplug->slots->len,
                                .size = hotplug->options->size };
    CocoWorkerResult result;

    return (verb != COCO_JOB_RESIZE && hotplug->slots->len == 0) ||
           coco_worker_watch_run(&hotplug->plan, &job, hotplug->signal_fd, hotplug->deadline,
                                 hotplug->options->verbose, &hotplug->report, &result, error);
}

/* What was detached is told as disks, and a resize of none; nobody asks. */
static void
tell_result(Hotplug *hotplug)
{
    json_object *line = coco_launch_report_line("result");
    json_object *disks = json_object_new_array();
    json_object *nics = json_object_new_array();
    size_t first_nic = hotplug->slots->len - hotplug->plan.spec.nics.n;

    for (guint i = 0; i < hotplug->slots->len; i++) {
        const CocoPlace there =
            coco_device_plan_slot(hotplug->places, g_array_index(hotplug->slots, unsigned int, i));
        g_autofree char *place = coco_device_plan_path(hotplug->places, &there);

        (void) json_object_array_add(i < first_nic ? disks : nics, json_object_new_string(place));
    }
    (void) json_object_object_add(line, "ok", json_object_new_boolean(true));
    (void) json_object_object_add(line, "disks", disks);
    (void) json_object_object_add(line, "nics", nics);
    coco_launch_report_write(&hotplug->report, line);
}

/* The spec's disks and interfaces are now those that come. */
static bool
take(Hotplug *hotplug, CocoLaunchRequest *request, GError **error)
{
    if (coco_device_plan_slots(hotplug->places) == 0) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED,
                    "attach: the VM was launched without room for what comes later");
        return false;
    }
    hotplug->plan.spec.disks = request->disks;
    request->disks = (CocoVmDisks){ 0 };
    coco_launch_plan_take_nics(&hotplug->plan, request);
    return true;
}

static bool
attach(Hotplug *hotplug, GError **error)
{
    CocoLaunchPlan *plan = &hotplug->plan;
    g_auto(CocoLaunchRequest) request = { 0 };

    if (!prepare(hotplug, error) ||
        !coco_launch_request_read(STDIN_FILENO, hotplug->signal_fd, &request, error) ||
        !take(hotplug, &request, error) ||
        !coco_qemu_user_of_run_dir(plan->config, coco_run_dir_path(plan->run_dir), &plan->user,
                                   error) ||
        !coco_vm_disks_open(&plan->spec.disks, error))
        return false;
    /* From here on the worker frees what it does not fill. One that is killed leaves all taken,
     * since nobody knows what QEMU has by then. */
    if (take_slots(hotplug, error))
        return work(hotplug, COCO_JOB_ATTACH, error);
    free_slots(hotplug);
    return false;
}

static bool
detach(Hotplug *hotplug, GError **error)
{
    if (!prepare(hotplug, error))
        return false;
    for (size_t i = 0; hotplug->options->places[i] != NULL; i++) {
        unsigned int slot = coco_device_plan_slot_at(hotplug->places, hotplug->options->places[i]);

        if (slot == 0)
            return coco_vmm_bad_config(error,
                                       "detach device '%s': not a place of one that was attached",
                                       hotplug->options->places[i]);
        if (is_taken(hotplug, slot))
            g_array_append_val(hotplug->slots, slot);
    }
    return work(hotplug, COCO_JOB_DETACH, error);
}

static bool
check_size(const CocoVmSpec *spec, CocoVmSize size, GError **error)
{
    int tee = coco_vm_config_choice(spec->config, COCO_KEY_VM_TEE);
    unsigned int max_vcpus = MAX(spec->vcpus, spec->max_vcpus);
    unsigned int max_mib = MAX(spec->memory_mib, spec->max_memory_mib);

    if (tee != COCO_TEE_NONE) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_NO_TEE,
                    "resize the VM: with tee = %s it stays as large as it was launched",
                    coco_vm_config_choice_name(COCO_KEY_VM_TEE, tee));
        return false;
    }
    if (size.vcpus > max_vcpus)
        return coco_vmm_bad_config(
            error, "resize the VM: %u CPUs are more than the %u that it has room for", size.vcpus,
            max_vcpus);
    if (size.memory_mib > max_mib || (size.memory_mib > 0 && size.memory_mib < spec->memory_mib))
        return coco_vmm_bad_config(error,
                                   "resize the VM: %u MiB are not between the %u that it was "
                                   "launched with and the %u that it has room for",
                                   size.memory_mib, spec->memory_mib, max_mib);
    return true;
}

static bool
resize(Hotplug *hotplug, GError **error)
{
    return prepare(hotplug, error) &&
           check_size(&hotplug->plan.spec, hotplug->options->size, error) &&
           work(hotplug, COCO_JOB_RESIZE, error);
}

static bool
run(const CocoHotplugOptions *options, FILE *out, bool (*change)(Hotplug *, GError **))
{
    g_auto(Hotplug) hotplug = { .options = options, .signal_fd = -1 };
    g_autoptr(GError) error = NULL;

    hotplug.slots = g_array_new(FALSE, FALSE, sizeof(unsigned int));
    coco_launch_report_init(&hotplug.report, out);
    if (change(&hotplug, &error)) {
        tell_result(&hotplug);
        return true;
    }
    coco_launch_report_failure(&hotplug.report, error);
    return false;
}

bool
coco_hotplug_attach_devices(const CocoHotplugOptions *options, FILE *out)
{
    return run(options, out, attach);
}

bool
coco_hotplug_detach_devices(const CocoHotplugOptions *options, FILE *out)
{
    return run(options, out, detach);
}

bool
coco_hotplug_resize(const CocoHotplugOptions *options, FILE *out)
{
    return run(options, out, resize);
}

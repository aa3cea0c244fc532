// SPDX-License-Identifier: Apache-2.0
/*
 * The launch (launch.h): load, check, write, console logger, libvirt worker, result. Whatever
 * fails, everything that was started is ended and everything that was written is removed before the
 * result is told.
 *
 * A run directory that another launch or a live VM owns is left alone: undo begins only once it is
 * claimed.
 */
#include "vmm/launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/posix/pidfd.h"
#include "vmm/config/vm-size.h"
#include "vmm/config/vmm-error.h"
#include "vmm/domain/device-plan.h"
#include "vmm/launch/launch-measure.h"
#include "vmm/launch/launch-plan.h"
#include "vmm/launch/launch-report.h"
#include "vmm/launch/worker-watch.h"
#include "vmm/run/process-finder.h"
#include "vmm/run/spawn.h"
#include "vmm/run/vm-state.h"
#include "vmm/tee/boot-store.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee-probe.h"

/* The port at which the agent listens on vsock. */
#define AGENT_VSOCK_PORT 1024

typedef struct {
    CocoLaunchPlan plan;
    CocoLaunchReport report;
    gint64 deadline;
    bool claimed;
    int signal_fd;
    int lifeline; /* while this is open, the console logger waits for QEMU */
    pid_t console_pid;
    CocoLaunchMeasure measure;
    json_object *measurement; /* nullable */
} Launch;

static void
launch_clear(Launch *launch)
{
    coco_fd_clear(&launch->signal_fd);
    coco_fd_clear(&launch->lifeline);
    coco_launch_measure_clear(&launch->measure);
    (void) json_object_put(launch->measurement);
    coco_launch_plan_clear(&launch->plan);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Launch, launch_clear)

static void
tell_config(Launch *launch)
{
    const CocoVmConfig *config = launch->plan.config;
    const CocoHostChoice *choice = &launch->plan.choice;
    json_object *line = coco_launch_report_line("config");
    int tee = coco_vm_config_choice(config, COCO_KEY_VM_TEE);
    int rootfs = coco_vm_config_choice(config, COCO_KEY_GUEST_ROOTFS);
    int model = coco_vm_config_choice(config, COCO_KEY_NETWORK_MODEL);

    coco_json_add_string(line, "tee", coco_vm_config_choice_name(COCO_KEY_VM_TEE, tee));
    coco_json_add_string(line, "accel",
                         coco_vm_config_choice_name(COCO_KEY_VM_ACCEL, (int) choice->accel));
    coco_json_add_string(line, "accel_reason", choice->accel_reason);
    coco_json_add_string(
        line, "transport",
        coco_vm_config_choice_name(COCO_KEY_VM_TRANSPORT, (int) choice->transport));
    coco_json_add_string(line, "transport_reason", choice->transport_reason);
    coco_json_add_string(line, "rootfs", coco_vm_config_choice_name(COCO_KEY_GUEST_ROOTFS, rootfs));
    coco_json_add_string(line, "network",
                         coco_vm_config_choice_name(COCO_KEY_NETWORK_MODEL, model));
    coco_json_add_int(line, "vcpus", coco_vm_config_number(config, COCO_KEY_VM_VCPUS));
    coco_json_add_int(line, "max_vcpus", coco_vm_size_max_vcpus(config, coco_vm_size_of_host()));
    coco_json_add_int(line, "launch_timeout_ms",
                      1000 *
                          (gint64) coco_vm_config_number(config, COCO_KEY_HOST_LAUNCH_TIMEOUT_S));
    coco_json_add_int(line, "agent_timeout_ms",
                      1000 *
                          (gint64) coco_vm_config_number(config, COCO_KEY_GUEST_AGENT_TIMEOUT_S));
    coco_launch_report_write(&launch->report, line);
}

static bool
claim(Launch *launch, GError **error)
{
    CocoRunDir *run_dir = launch->plan.run_dir;
    const char *refused = coco_pidfd_refused();
    g_autoptr(GArray) processes = NULL;

    /* Now, because a VM that runs already could not be ended. */
    if (refused != NULL)
        return coco_vmm_error_errno(error, errno, "watch processes with '%s'", refused);
    if (!coco_run_dir_claim(run_dir, error))
        return false;
    processes = coco_host_process_find("/proc", coco_run_dir_path(run_dir));
    if (processes->len > 0) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BUSY,
                    "run directory '%s': process %d of an earlier launch still runs in it",
                    coco_run_dir_path(run_dir),
                    (int) g_array_index(processes, CocoHostProcess, 0).pid);
        return false;
    }
    launch->claimed = true;
    return coco_run_dir_prepare(run_dir, error);
}

/* A socket that only root and the QEMU user can connect to. */
static int
listen_console(const CocoLaunchPlan *plan, GError **error)
{
    g_autofree char *path = coco_run_dir_file(plan->run_dir, "console.sock");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(CocoFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 ||
        chown(path, plan->user.uid, (gid_t) -1) < 0 || chmod(path, 0600) < 0 || listen(fd, 1) < 0)
        return coco_vmm_error_errno(error, errno, "make console socket '%s'", path), -1;
    return coco_fd_steal(&fd);
}

static bool
start_console(Launch *launch, GError **error)
{
    g_autofree char *program = coco_spawn_find_helper("coco-vmm-console");
    g_autofree char *log = coco_run_dir_file(launch->plan.run_dir, "console.log");
    const char *argv[] = { program, "--run-dir", coco_run_dir_path(launch->plan.run_dir), NULL };
    g_auto(CocoFd) socket_fd = listen_console(&launch->plan, error);
    g_auto(CocoFd) wait_end = -1;
    g_auto(CocoFd) log_fd = -1;
    int ends[2];

    if (socket_fd < 0)
        return false;
    /* Made here so that the caller finds the file as soon as the launch has succeeded. */
    log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log_fd < 0)
        return coco_vmm_error_errno(error, errno, "write '%s'", log);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return coco_vmm_error_errno(error, errno, "start '%s'", program);
    wait_end = ends[0];
    launch->lifeline = ends[1];
    return coco_spawn(argv, (int[]){ -1, -1, -1, socket_fd, wait_end }, 5, COCO_SPAWN_NEW_SESSION,
                      &launch->console_pid, error);
}

static void
add_path(json_object *paths, const CocoDevicePlan *plan, CocoPlace place)
{
    g_autofree char *path = coco_device_plan_path(plan, &place);

    (void) json_object_array_add(paths, json_object_new_string(path));
}

/* Where the guest finds each disk and interface, in the order of the request. */
static void
tell_places(json_object *line, const CocoVmSpec *spec)
{
    g_autoptr(CocoDevicePlan) plan = coco_device_plan_new(spec);
    json_object *disks = json_object_new_array();
    json_object *nics = json_object_new_array();

    for (size_t i = 0; i < spec->disks.n; i++)
        add_path(disks, plan, coco_device_plan_disk(plan, i));
    for (size_t i = 0; i < spec->nics.n; i++)
        add_path(nics, plan, coco_device_plan_nic(plan, i));
    (void) json_object_object_add(line, "disks", disks);
    (void) json_object_object_add(line, "nics", nics);
    coco_json_add_int(line, "slots", coco_device_plan_slots(plan));
}

static void
tell_result(Launch *launch, const CocoVmState *state)
{
    g_autofree char *console = coco_run_dir_file(launch->plan.run_dir, "console.log");
    json_object *line = coco_launch_report_line("result");

    (void) json_object_object_add(line, "ok", json_object_new_boolean(true));
    coco_json_add_int(line, "pid", state->pid);
    coco_json_add_int(line, "virtiofsd_pid", state->virtiofsd_pid);
    coco_json_add_int(line, "console_pid", state->console_pid);
    coco_json_add_string(line, "agent", state->agent);
    coco_json_add_string(line, "console", console);
    tell_places(line, &launch->plan.spec);
    if (launch->measurement != NULL)
        (void) json_object_object_add(line, "measurement", json_object_get(launch->measurement));
    coco_launch_report_write(&launch->report, line);
}

static bool
finish(Launch *launch, const CocoWorkerResult *result, GError **error)
{
    const CocoLaunchPlan *plan = &launch->plan;
    const char *path = coco_run_dir_path(plan->run_dir);
    g_autoptr(GArray) processes = coco_host_process_find("/proc", path);
    int tee = coco_vm_config_choice(plan->config, COCO_KEY_VM_TEE);
    g_auto(CocoVmState) state = {
        .pid = result->pid,
        .virtiofsd_pid = coco_host_process_first(processes, COCO_PROCESS_VIRTIOFSD),
        .console_pid = launch->console_pid,
        .tee = g_strdup(coco_vm_config_choice_name(COCO_KEY_VM_TEE, tee)),
        .accel = g_strdup(coco_vm_config_choice_name(COCO_KEY_VM_ACCEL, (int) plan->spec.accel)),
        .transport =
            g_strdup(coco_vm_config_choice_name(COCO_KEY_VM_TRANSPORT, (int) plan->spec.transport)),
        .agent = plan->spec.transport == COCO_TRANSPORT_VSOCK
                     ? g_strdup_printf("vsock://%u:%d", result->cid, AGENT_VSOCK_PORT)
                     : g_strdup_printf("unix://%s/agent.sock", path),
        .measurement = json_object_get(launch->measurement),
    };

    if (!coco_vm_state_save(&state, plan->run_dir, error))
        return false;
    tell_result(launch, &state);
    if (launch->report.broken)
        return coco_vmm_error_errno(error, EPIPE, "tell the result");
    return true;
}

/* An input that cannot be measured is the better reason, where libvirt has failed over it too. */
static bool
start_vm(Launch *launch, const CocoLaunchOptions *options, CocoWorkerResult *result, GError **error)
{
    CocoLaunchPlan *plan = &launch->plan;
    const CocoWorkerJob job = { .verb = COCO_JOB_START };
    g_autoptr(GError) measure_error = NULL;
    bool started = coco_worker_watch_run(plan, &job, launch->signal_fd, launch->deadline,
                                         options->verbose, &launch->report, result, error);

    if (!coco_launch_measure_finish(&launch->measure, launch->deadline, &launch->measurement,
                                    &measure_error)) {
        if (started || measure_error->code == COCO_VMM_ERROR_BAD_CONFIG) {
            g_clear_error(error);
            g_propagate_error(error, g_steal_pointer(&measure_error));
        }
        return false;
    }
    if (launch->measurement != NULL) {
        coco_launch_report_phase(&launch->report, "measure");
        started = started && coco_boot_files_check(plan->boot, error);
    }
    if (started)
        coco_boot_files_drop_copies(plan->boot);
    return started;
}

static void
set_deadline(Launch *launch)
{
    launch->deadline = g_get_monotonic_time() +
                       G_USEC_PER_SEC * (gint64) coco_vm_config_number(
                                            launch->plan.config, COCO_KEY_HOST_LAUNCH_TIMEOUT_S);
}

/* The time until the request comes is its sender's. */
static bool
await_request(Launch *launch, const CocoLaunchOptions *options, GError **error)
{
    g_auto(CocoLaunchRequest) request = { 0 };

    if (!options->wait)
        return true;
    if (!coco_launch_request_read(STDIN_FILENO, launch->signal_fd, &request, error))
        return false;
    set_deadline(launch);
    coco_launch_report_phase(&launch->report, "wait");
    return coco_launch_plan_size(&launch->plan, request.pod, error) &&
           coco_launch_plan_take(&launch->plan, &request, error);
}

static bool
run(Launch *launch, const CocoLaunchOptions *options, GError **error)
{
    CocoLaunchPlan *plan = &launch->plan;
    CocoWorkerResult result = { 0 };

    if (!coco_launch_plan_load(plan, &options->source, error) ||
        !coco_tee_config_require(plan->config, options->require_tees, error))
        return false;
    set_deadline(launch);
    tell_config(launch);
    coco_launch_report_phase(&launch->report, "config");
    launch->signal_fd = coco_worker_watch_signals(error);
    if (launch->signal_fd < 0 || !coco_tee_check_host(plan->config, error) ||
        !claim(launch, error) || !await_request(launch, options, error) ||
        !coco_launch_plan_check(plan, error) || !coco_launch_plan_write(plan, error) ||
        !coco_launch_measure_start(&launch->measure, plan, COCO_BOOT_STORE, error) ||
        !start_console(launch, error))
        return false;
    coco_launch_report_phase(&launch->report, "probe");
    return start_vm(launch, options, &result, error) && finish(launch, &result, error);
}

static void
undo(Launch *launch, GError **error)
{
    g_autoptr(GError) undo_error = NULL;
    g_autofree char *message = NULL;

    coco_fd_clear(&launch->lifeline);
    if (!launch->claimed || coco_vm_destroy(launch->plan.run_dir, &undo_error))
        return;
    message = g_steal_pointer(&(*error)->message);
    (*error)->message = g_strdup_printf("%s; cleaning up: %s", message, undo_error->message);
}

bool
coco_launch(const CocoLaunchOptions *options, FILE *out)
{
    g_auto(Launch)
        launch = { .signal_fd = -1, .lifeline = -1, .measure = COCO_LAUNCH_MEASURE_INIT };
    g_autoptr(GError) error = NULL;

    coco_launch_report_init(&launch.report, out);
    if (run(&launch, options, &error))
        return true;
    undo(&launch, &error);
    coco_launch_report_failure(&launch.report, error);
    return false;
}

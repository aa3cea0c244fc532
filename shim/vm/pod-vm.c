// SPDX-License-Identifier: Apache-2.0
/*
 * Effects of the VM's states: the launcher run, the set-up, the end of what was left running, and
 * the order of the end: a guest that writes to disks is asked to leave, for a short time; QEMU is
 * killed; then the console logger reads its end of file and virtiofsd leaves by itself; whatever is
 * still there is swept.
 */
#include "shim/vm/pod-vm.h"

#include <glib.h>

#include "shim/vm/console-tail.h"
#include "shim/vm/launcher.h"
#include "shim/vm/pod-annotations.h"
#include "shim/vm/pod-initdata.h"
#include "shim/vm/pod-tee.h"
#include "shim/vm/pod-vm-fsm.h"
#include "shim/vm/vm-network.h"
#include "shim/vm/vm-processes.h"
#include "shim/vm/vm-setup.h"
#include "shim/vm/vm-sweep.h"
#include "shim/vm/watchdog.h"
#include "vmm/config/vm-disk.h"

#define GOODBYE_MS 2000 /* for the guest to take back what was set up, and again to leave then */
#define LEAVE_MS 1000   /* for logger and virtiofsd to leave by themselves */
#define SWEEP_TIMEOUT_MS 30000

struct _CocoPodVm {
    const CocoPodDir *dir;
    CocoSignals *signals;
    char *pod_id;
    char *config_path;
    char *tee; /* nullable */
    char *hostname;
    char **dns;
    CocoPodVmState state;
    GCancellable *cancellable; /* of the launch */
    bool launcher_runs;
    bool decided; /* what the VM gets */
    bool has_share;
    size_t n_disks;
    bool writes_disks; /* or has done so: its kernel may hold what is not on them yet */
    CocoVmNetwork *network;
    CocoLaunchResult *launched;
    CocoVmProcesses *processes;
    CocoVmSetup *setup; /* nullable: it was not launched */
    CocoWatchdog *watchdog;
    GError *reason; /* why it is not, or no longer, READY */
    bool was_launched;
    bool asked_to_stop;
    CocoWaiters *ready_waiters;
    CocoWaiters *stop_waiters;
    unsigned int tell_source;
    unsigned int leave_source; /* of the step of the end that is under way */
    CocoVmSweep *sweep;        /* nullable: none under way */
    int64_t started_at;
    CocoPodVmGoneFunc on_gone;
    void *on_gone_data;
};

static void on_agent_closed(CocoTtrpcClient *client, const GError *reason, void *user_data);
static void on_process_gone(CocoVmProcess which, void *user_data);
static void on_network_failed(const GError *error, void *user_data);
static void leave(CocoPodVm *vm);
static void enter_stopping(CocoPodVm *vm);
static void continue_stopping(CocoPodVm *vm);

static bool
step(CocoPodVm *vm, CocoPodVmEvent event)
{
    CocoPodVmState to =
        (CocoPodVmState) coco_fsm_step(&coco_pod_vm_fsm, vm->pod_id, vm->state, event);

    if (to != COCO_POD_VM_INVALID)
        vm->state = to;
    return to != COCO_POD_VM_INVALID;
}

void
coco_pod_vm_set_names(CocoPodVm *vm, const char *hostname, char *const *dns)
{
    static char *const no_lines[] = { NULL };

    g_free(vm->hostname);
    g_strfreev(vm->dns);
    vm->hostname = g_strdup(hostname);
    vm->dns = g_strdupv((char **) (dns != NULL ? dns : no_lines));
}

CocoPodVm *
coco_pod_vm_new(const CocoPodDir *dir, CocoSignals *signals, const char *pod_id,
                const char *config_path, const char *tee)
{
    CocoPodVm *vm = g_new0(CocoPodVm, 1);

    vm->dir = dir;
    vm->signals = signals;
    vm->pod_id = g_strdup(pod_id);
    vm->config_path = g_strdup(config_path);
    vm->tee = g_strdup(tee);
    coco_pod_vm_set_names(vm, "", NULL);
    vm->state = COCO_POD_VM_NEW;
    vm->cancellable = g_cancellable_new();
    vm->ready_waiters = coco_waiters_new();
    vm->stop_waiters = coco_waiters_new();
    vm->processes = coco_vm_processes_new(on_process_gone, vm);
    vm->network = coco_vm_network_new(dir, signals, on_network_failed, vm);
    return vm;
}

void
coco_pod_vm_free(CocoPodVm *vm)
{
    if (vm == NULL)
        return;
    g_cancellable_cancel(vm->cancellable);
    coco_vm_processes_kill_vm(vm->processes);
    coco_vm_processes_free(vm->processes);
    coco_vm_sweep_cancel(vm->sweep);
    coco_vm_network_stop_forwarding(vm->network); /* it uses the agent */
    g_clear_handle_id(&vm->tell_source, g_source_remove);
    g_clear_handle_id(&vm->leave_source, g_source_remove);
    g_clear_pointer(&vm->watchdog, coco_watchdog_free);
    g_clear_pointer(&vm->setup, coco_vm_setup_free);
    coco_launch_result_free(vm->launched);
    coco_vm_network_free(vm->network);
    g_clear_error(&vm->reason);
    coco_waiters_free(vm->ready_waiters);
    coco_waiters_free(vm->stop_waiters);
    g_object_unref(vm->cancellable);
    g_free(vm->pod_id);
    g_free(vm->config_path);
    g_free(vm->tee);
    g_free(vm->hostname);
    g_strfreev(vm->dns);
    g_free(vm);
}

void
coco_pod_vm_set_gone_func(CocoPodVm *vm, CocoPodVmGoneFunc func, void *user_data)
{
    vm->on_gone = func;
    vm->on_gone_data = user_data;
}

bool
coco_pod_vm_is_ready(const CocoPodVm *vm)
{
    return coco_pod_vm_agent(vm) != NULL;
}

CocoTtrpcClient *
coco_pod_vm_agent(const CocoPodVm *vm)
{
    CocoTtrpcClient *agent = vm->state == COCO_POD_VM_READY ? coco_vm_setup_agent(vm->setup) : NULL;

    return agent != NULL && !coco_ttrpc_client_is_closed(agent) ? agent : NULL;
}

CocoWatchdog *
coco_pod_vm_watchdog(const CocoPodVm *vm)
{
    return coco_pod_vm_is_ready(vm) ? vm->watchdog : NULL;
}

pid_t
coco_pod_vm_pid(const CocoPodVm *vm)
{
    return vm->launched != NULL ? vm->launched->vm_pid : 0;
}

const char *
coco_pod_vm_measurement(const CocoPodVm *vm)
{
    return vm->launched != NULL ? vm->launched->measurement : NULL;
}

static gboolean
tell_waiters(void *user_data)
{
    CocoPodVm *vm = user_data;

    vm->tell_source = 0;
    /* Otherwise it was ready, and is being stopped: they are told then. */
    if (vm->state == COCO_POD_VM_READY)
        coco_waiters_tell(vm->ready_waiters, NULL);
    else if (vm->state == COCO_POD_VM_GONE)
        coco_waiters_tell(vm->ready_waiters, vm->reason);
    return G_SOURCE_REMOVE;
}

/* From the main loop, so that nobody is called back from inside their own call. */
static void
tell_soon(CocoPodVm *vm)
{
    if (vm->tell_source == 0)
        vm->tell_source = g_idle_add_full(G_PRIORITY_DEFAULT, tell_waiters, vm, NULL);
}

void
coco_pod_vm_when_ready(CocoPodVm *vm, CocoWaiterFunc func, void *user_data)
{
    coco_waiters_add(vm->ready_waiters, NULL, func, user_data);
    if (vm->state == COCO_POD_VM_READY || vm->state == COCO_POD_VM_GONE)
        tell_soon(vm);
}

/* The first reason stays: what follows is its consequence. */
static void
fail(CocoPodVm *vm, const GError *error)
{
    if (vm->reason == NULL)
        vm->reason = g_error_copy(error);
    if (step(vm, COCO_POD_VM_EV_FAILED))
        enter_stopping(vm);
}

static void
on_agent_closed(CocoTtrpcClient *client, const GError *reason, void *user_data)
{
    CocoPodVm *vm = user_data;
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE,
                                                  "the connection to the agent is gone");

    fail(vm, error);
}

static void
on_set_up(const GError *error, void *user_data)
{
    CocoPodVm *vm = user_data;

    if (error != NULL) {
        fail(vm, error);
        return;
    }
    if (!step(vm, COCO_POD_VM_EV_HELLO))
        return;
    vm->watchdog = coco_watchdog_new(coco_vm_setup_agent(vm->setup));
    coco_ttrpc_client_set_closed_func(coco_vm_setup_agent(vm->setup), on_agent_closed, vm);
    coco_vm_network_forward(vm->network, NULL, coco_vm_setup_agent(vm->setup));
    g_message("vm %s: ready %.0f ms after its launch began (%s)", vm->pod_id,
              (double) (g_get_monotonic_time() - vm->started_at) / 1000, vm->launched->phases);
    tell_soon(vm);
}

static void
on_process_gone(CocoVmProcess which, void *user_data)
{
    CocoPodVm *vm = user_data;

    if (vm->state == COCO_POD_VM_LEAVING) {
        if (which == COCO_VM_PROCESS_VM)
            leave(vm);
        return;
    }
    if (which != COCO_VM_PROCESS_CONSOLE) {
        g_autoptr(GError) error = g_error_new(
            COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "%s ended (pid %d)",
            coco_vm_process_name(which),
            which == COCO_VM_PROCESS_VM ? vm->launched->vm_pid : vm->launched->virtiofsd_pid);

        fail(vm, error);
    }
    if (vm->state == COCO_POD_VM_STOPPING)
        continue_stopping(vm);
}

static bool
watch_launched(CocoPodVm *vm, GError **error)
{
    const pid_t pids[COCO_N_VM_PROCESSES] = {
        [COCO_VM_PROCESS_VM] = vm->launched->vm_pid,
        [COCO_VM_PROCESS_VIRTIOFSD] = vm->launched->virtiofsd_pid,
        [COCO_VM_PROCESS_CONSOLE] = vm->launched->console_pid,
    };

    return coco_vm_processes_watch(vm->processes, pids, error);
}

static void
begin_set_up(CocoPodVm *vm)
{
    const CocoVmSetupConfig config = {
        .agent = vm->launched->agent,
        .timeout_us = vm->launched->agent_timeout_us,
        .pod_id = vm->pod_id,
        .hostname = vm->hostname,
        .dns = vm->dns,
        .has_share = vm->launched->virtiofsd_pid > 0,
        .network = coco_vm_network_pod(vm->network),
    };

    vm->setup = coco_vm_setup_new(&config);
    coco_vm_setup_start(vm->setup, on_set_up, vm);
}

static void
on_launched(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    CocoLaunchResult *launched = coco_launcher_run_finish(result, &error);
    CocoPodVm *vm = user_data;

    vm->launcher_runs = false;
    coco_vm_network_set_launcher(vm->network, NULL);
    if (launched == NULL || vm->state != COCO_POD_VM_LAUNCHING) {
        coco_launch_result_free(launched);
        if (vm->state == COCO_POD_VM_STOPPING)
            continue_stopping(vm);
        else
            fail(vm, error);
        return;
    }
    vm->launched = launched;
    vm->was_launched = true;
    (void) step(vm, COCO_POD_VM_EV_LAUNCHED);
    g_message("vm %s: pid %d started (%s)", vm->pod_id, launched->vm_pid,
              launched->summary != NULL ? launched->summary : "no config line");
    if (launched->measurement != NULL)
        g_message("vm %s: expected measurement %s", vm->pod_id, launched->measurement);
    if (!watch_launched(vm, &error)) {
        fail(vm, error);
        return;
    }
    if (g_strv_length(launched->disks) != vm->n_disks) {
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL,
                            "the launcher gave %u places for %zu disks",
                            g_strv_length(launched->disks), vm->n_disks);
        fail(vm, error);
        return;
    }
    if (coco_vm_network_launched(vm->network, launched->nics, &error))
        begin_set_up(vm);
    else
        fail(vm, error);
}

static void
on_network_failed(const GError *error, void *user_data)
{
    CocoPodVm *vm = user_data;

    fail(vm, error);
}

void
coco_pod_vm_start(CocoPodVm *vm)
{
    g_autofree char *program = coco_launcher_find_program();
    CocoLauncherCommand request = {
        .program = program,
        .config = vm->config_path,
        .run_dir = coco_pod_dir_path(vm->dir),
        .share = coco_pod_dir_shared(vm->dir),
        .initdata = coco_pod_initdata_file(vm->dir),
        .annotations = coco_pod_annotations_file(vm->dir),
        .on_config = coco_vm_network_configure,
        .config_data = vm->network,
    };
    g_autofree char *annotated = NULL;
    g_autoptr(GError) error = NULL;

    if (vm->state != COCO_POD_VM_NEW || !step(vm, COCO_POD_VM_EV_START))
        return;
    if (!coco_pod_tee_load(vm->dir, &annotated, &error)) {
        fail(vm, error);
        return;
    }
    request.tees[0] = vm->tee;
    request.tees[1] = annotated;
    vm->started_at = g_get_monotonic_time();
    vm->launcher_runs = true;
    coco_vm_network_set_launcher(
        vm->network,
        coco_launcher_run_async(&request, vm->signals, vm->cancellable, on_launched, vm));
}

void
coco_pod_vm_note_disks(CocoPodVm *vm, const CocoLaunchDisk *disks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        vm->writes_disks = vm->writes_disks || !disks[i].readonly;
}

bool
coco_pod_vm_launch(CocoPodVm *vm, const CocoLaunchNeeds *needs, GError **error)
{
    vm->decided = true;
    vm->has_share = needs->share;
    vm->n_disks = needs->n_disks;
    coco_pod_vm_note_disks(vm, needs->disks, needs->n_disks);
    return coco_vm_network_launch(vm->network, needs, error);
}

bool
coco_pod_vm_is_decided(const CocoPodVm *vm)
{
    return vm->decided;
}

bool
coco_pod_vm_has_share(const CocoPodVm *vm)
{
    return vm->has_share;
}

unsigned int
coco_pod_vm_slots(const CocoPodVm *vm)
{
    return vm->launched != NULL ? vm->launched->slots : COCO_HOTPLUG_SLOTS;
}

unsigned int
coco_pod_vm_late_queues(const CocoPodVm *vm)
{
    return coco_vm_network_late_queues(vm->network);
}

void
coco_pod_vm_forward(CocoPodVm *vm, CocoPodNetwork *from)
{
    CocoTtrpcClient *agent = coco_pod_vm_agent(vm);

    if (agent != NULL)
        coco_vm_network_forward(vm->network, from, agent);
}

char *const *
coco_pod_vm_disks(const CocoPodVm *vm)
{
    return vm->launched->disks;
}

/* Adds what the guest said last, now that nothing more can come. */
static void
complete_reason(CocoPodVm *vm)
{
    g_autofree char *tail = NULL;

    if (vm->reason == NULL) {
        g_set_error(&vm->reason, COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "the VM was stopped");
        return;
    }
    if (vm->was_launched && !vm->asked_to_stop)
        tail = coco_console_tail(coco_pod_dir_console(vm->dir));
    if (tail != NULL) {
        g_autoptr(GError) bare = g_steal_pointer(&vm->reason);

        g_set_error(&vm->reason, bare->domain, bare->code, "%s; console: \"%s\"", bare->message,
                    tail);
    }
}

static void
enter_gone(CocoPodVm *vm)
{
    bool was_asked = vm->asked_to_stop;

    g_clear_handle_id(&vm->leave_source, g_source_remove);
    coco_vm_processes_unwatch(vm->processes);
    complete_reason(vm);
    tell_soon(vm);
    if (vm->on_gone != NULL && vm->was_launched && !was_asked)
        vm->on_gone(vm, vm->reason, vm->on_gone_data);
    coco_waiters_tell(vm->stop_waiters, NULL);
}

static void
on_network_undone(const GError *error, void *user_data)
{
    CocoPodVm *vm = user_data;

    if (error != NULL)
        g_warning("vm %s: %s", vm->pod_id, error->message);
    if (step(vm, COCO_POD_VM_EV_DOWN))
        enter_gone(vm);
}

/* Nobody uses the network any more. */
static void
on_swept(const GError *error, void *user_data)
{
    CocoPodVm *vm = user_data;

    vm->sweep = NULL;
    if (error != NULL)
        g_warning("vm %s: %s", vm->pod_id, error->message);
    coco_vm_network_undo(vm->network, on_network_undone, vm);
}

static void
sweep(CocoPodVm *vm)
{
    g_clear_handle_id(&vm->leave_source, g_source_remove);
    if (vm->sweep == NULL)
        vm->sweep = coco_vm_sweep_start(coco_pod_dir_path(vm->dir), SWEEP_TIMEOUT_MS, on_swept, vm);
}

static gboolean
on_leave_timeout(void *user_data)
{
    CocoPodVm *vm = user_data;

    vm->leave_source = 0;
    sweep(vm);
    return G_SOURCE_REMOVE;
}

/* Called at each sign that something has ended. */
static void
continue_stopping(CocoPodVm *vm)
{
    if (vm->sweep != NULL || vm->launcher_runs ||
        coco_vm_processes_runs(vm->processes, COCO_VM_PROCESS_VM))
        return;
    if (!coco_vm_processes_runs(vm->processes, COCO_VM_PROCESS_VIRTIOFSD) &&
        !coco_vm_processes_runs(vm->processes, COCO_VM_PROCESS_CONSOLE))
        sweep(vm);
    else if (vm->leave_source == 0)
        vm->leave_source = g_timeout_add(LEAVE_MS, on_leave_timeout, vm);
}

static gboolean
on_stopping_idle(void *user_data)
{
    CocoPodVm *vm = user_data;

    vm->leave_source = 0;
    continue_stopping(vm);
    return G_SOURCE_REMOVE;
}

static void
enter_stopping(CocoPodVm *vm)
{
    g_clear_handle_id(&vm->leave_source, g_source_remove);
    g_cancellable_cancel(vm->cancellable);
    coco_vm_network_stop_forwarding(vm->network);
    if (vm->setup != NULL)
        coco_vm_setup_cancel(vm->setup);
    if (vm->setup != NULL && coco_vm_setup_agent(vm->setup) != NULL)
        coco_ttrpc_client_set_closed_func(coco_vm_setup_agent(vm->setup), NULL, NULL);
    coco_vm_processes_kill_vm(vm->processes);
    /* From the main loop: the caller may be a callback of what is going to be taken down. */
    vm->leave_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_stopping_idle, vm, NULL);
}

static void
leave(CocoPodVm *vm)
{
    if (step(vm, COCO_POD_VM_EV_LEFT))
        enter_stopping(vm);
}

static gboolean
on_goodbye_timeout(void *user_data)
{
    CocoPodVm *vm = user_data;

    g_debug("vm %s: the guest does not leave", vm->pod_id);
    vm->leave_source = 0;
    leave(vm);
    return G_SOURCE_REMOVE;
}

/* It writes out its disks and powers off. */
static void
on_taken_back(const GError *error, void *user_data)
{
    CocoPodVm *vm = user_data;

    g_clear_handle_id(&vm->leave_source, g_source_remove);
    if (error != NULL) {
        g_debug("vm %s: %s", vm->pod_id, error->message);
        leave(vm);
    } else {
        vm->leave_source = g_timeout_add(GOODBYE_MS, on_goodbye_timeout, vm);
    }
}

/* What is written to the share is on the host already: without disks there is nothing to wait for.
 * A guest that is known to be silent is not asked. */
static void
enter_leaving(CocoPodVm *vm)
{
    CocoTtrpcClient *agent = coco_vm_setup_agent(vm->setup);

    if (!vm->writes_disks || coco_ttrpc_client_is_closed(agent) ||
        coco_watchdog_silence_us(vm->watchdog) >= (int64_t) COCO_WATCHDOG_OVERDUE_MS * 1000) {
        leave(vm);
        return;
    }
    coco_ttrpc_client_set_closed_func(agent, NULL, NULL);
    coco_vm_setup_undo(vm->setup, (int64_t) GOODBYE_MS * 1000, on_taken_back, vm);
}

void
coco_pod_vm_abandon(CocoPodVm *vm, const GError *reason)
{
    fail(vm, reason);
}

void
coco_pod_vm_stop(CocoPodVm *vm, CocoWaiterFunc func, void *user_data)
{
    if (vm->state == COCO_POD_VM_GONE) {
        func(NULL, user_data);
        return;
    }
    coco_waiters_add(vm->stop_waiters, NULL, func, user_data);
    if (!step(vm, COCO_POD_VM_EV_STOP))
        return;
    vm->asked_to_stop = true;
    if (vm->state == COCO_POD_VM_LEAVING)
        enter_leaving(vm);
    else
        enter_stopping(vm);
}

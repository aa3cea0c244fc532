// SPDX-License-Identifier: Apache-2.0
/*
 * What belongs to the whole pod. The VM lives from the first container (or from `start`, which is
 * sooner) to the removal of the last one.
 */
#include "shim/pod/pod.h"

#include <unistd.h>

#include "guest-protocol/proto/task-pb.h"
#include "shim/host/pod-cgroup.h"
#include "shim/host/state-file.h"
#include "shim/host/timestamp.h"
#include "shim/pod/event-publisher.h"
#include "shim/pod/oom-watch.h"
#include "shim/storage/share.h"

#define EXIT_KILLED 137  /* 128 + SIGKILL: what a process of a vanished VM is reported with */
#define SILENCE_MAX_S 10 /* who is silent for longer is asked nothing more */
#define FLUSH_TIMEOUT_US 2000000 /* for the last events at the end of the shim */

struct _CocoPod {
    char *id;
    char *ns;
    const CocoPodDir *dir;
    CocoSignals *signals;
    GMainLoop *loop;
    CocoPodVm *vm;
    CocoVmChanges *changes;
    CocoLateNetwork *late_network;
    bool vm_started;
    CocoEventPublisher *events;
    CocoOomWatch *oom_watch; /* from the first word of the agent on */
    GHashTable *containers;  /* id -> CocoContainer */
    bool is_sandbox;
    char **sysctls;
    bool has_score; /* of a container that is none of a sandbox */
    CocoPodVmGoneFunc on_vm_gone;
    void *on_vm_gone_data;
    bool shutting_down;
    unsigned int idle_ms;
    unsigned int idle_source;
};

typedef struct {
    CocoPod *pod;
    CocoPodRemovedFunc func;
    void *user_data;
} Removal;

static void
publish_exit(CocoPod *pod, const CocoProcess *process)
{
    Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
    Google__Protobuf__Timestamp exited_at;

    coco_timestamp_set(&exited_at, coco_process_exited_at(process));
    event.container_id = (char *) coco_process_container_id(process);
    event.id = (char *) coco_process_agent_id(process);
    event.pid = (uint32_t) coco_pod_vm_pid(pod->vm);
    event.exit_status = coco_process_exit_status(process);
    event.exited_at = &exited_at;
    coco_pod_publish(pod, "/tasks/exit", &event.base);
}

/* Who has heard of no start hears of no exit: a Start that is under way fails. */
static void
end_process(CocoPod *pod, CocoProcess *process, uint32_t exit_status)
{
    bool starts = coco_process_state(process) == COCO_PROCESS_STARTING;

    if (coco_process_stop(process, COCO_PROCESS_EV_EXIT, exit_status) && !starts)
        publish_exit(pod, process);
}

/* An exec does not outlive its container. */
static void
end_exec(CocoProcess *exec, void *user_data)
{
    if (coco_process_state(exec) != COCO_PROCESS_CREATED)
        end_process(user_data, exec, EXIT_KILLED);
}

void
coco_pod_end_containers(CocoPod *pod)
{
    g_autoptr(GList) containers = g_hash_table_get_values(pod->containers);

    for (GList *item = containers; item != NULL; item = item->next) {
        CocoContainer *container = item->data;

        /* Of one that is still being created nobody has heard; its Create fails. */
        if (!coco_container_is_created(container))
            continue;
        coco_pod_process_exited(pod, container, coco_container_init(container), EXIT_KILLED);
        coco_process_finish_stdio(coco_container_init(container));
    }
}

static void
on_vm_gone(CocoPodVm *vm, const GError *reason, void *user_data)
{
    CocoPod *pod = user_data;

    g_warning("VM of pod %s is gone: %s", pod->id, reason->message);
    coco_pod_end_containers(pod);
    if (pod->on_vm_gone != NULL)
        pod->on_vm_gone(vm, reason, pod->on_vm_gone_data);
}

static bool
is_in_use(const CocoPod *pod)
{
    return !coco_pod_is_empty(pod) || (pod->is_sandbox && coco_pod_vm_is_decided(pod->vm));
}

static void
on_idle_removed(void *user_data)
{
    coco_pod_shutdown(user_data, true);
}

static gboolean
on_idle(void *user_data)
{
    CocoPod *pod = user_data;

    pod->idle_source = 0;
    if (is_in_use(pod) || pod->shutting_down)
        return G_SOURCE_REMOVE;
    g_warning("pod %s: ended, since nobody has used it for %u s", pod->id, pod->idle_ms / 1000);
    coco_pod_remove_all(pod, on_idle_removed, pod);
    return G_SOURCE_REMOVE;
}

/* Whoever may have gone away has had a first or a last chance. */
static void
watch_idle(CocoPod *pod)
{
    g_clear_handle_id(&pod->idle_source, g_source_remove);
    if (pod->idle_ms > 0)
        pod->idle_source = g_timeout_add(pod->idle_ms, on_idle, pod);
}

CocoPod *
coco_pod_new(const CocoPodConfig *config)
{
    CocoPod *pod = g_new0(CocoPod, 1);

    pod->id = g_strdup(config->id);
    pod->ns = g_strdup(config->ns);
    pod->dir = config->dir;
    pod->signals = config->signals;
    pod->loop = g_main_loop_ref(config->loop);
    pod->vm =
        coco_pod_vm_new(config->dir, config->signals, config->id, config->config_path, config->tee);
    coco_pod_vm_set_gone_func(pod->vm, on_vm_gone, pod);
    pod->changes = coco_vm_changes_new(config->dir, config->signals, pod->vm);
    pod->late_network = coco_late_network_new(config->signals, pod->vm, pod->changes);
    pod->events = coco_event_publisher_new(config->ttrpc_address, config->ns);
    pod->containers =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) coco_container_unref);
    pod->idle_ms = config->idle_ms;
    watch_idle(pod);
    return pod;
}

void
coco_pod_free(CocoPod *pod)
{
    if (pod == NULL)
        return;
    g_clear_handle_id(&pod->idle_source, g_source_remove);
    g_hash_table_unref(pod->containers);
    coco_late_network_free(pod->late_network);
    coco_vm_changes_free(pod->changes);
    coco_pod_vm_free(pod->vm);
    coco_oom_watch_free(pod->oom_watch);
    coco_event_publisher_free(pod->events);
    g_main_loop_unref(pod->loop);
    g_free(pod->id);
    g_free(pod->ns);
    g_strfreev(pod->sysctls);
    g_free(pod);
}

const char *
coco_pod_id(const CocoPod *pod)
{
    return pod->id;
}

const char *
coco_pod_namespace(const CocoPod *pod)
{
    return pod->ns;
}

const CocoPodDir *
coco_pod_run_dir(const CocoPod *pod)
{
    return pod->dir;
}

const char *
coco_pod_mounts_dir(const CocoPod *pod)
{
    return coco_pod_dir_mounts(pod->dir);
}

CocoPodVm *
coco_pod_vm(const CocoPod *pod)
{
    return pod->vm;
}

CocoVmChanges *
coco_pod_changes(const CocoPod *pod)
{
    return pod->changes;
}

CocoLateNetwork *
coco_pod_late_network(const CocoPod *pod)
{
    return pod->late_network;
}

CocoSignals *
coco_pod_signals(const CocoPod *pod)
{
    return pod->signals;
}

/* id: the guest's word; what names no container of ours is dropped. */
static void
on_out_of_memory(const char *id, void *user_data)
{
    CocoPod *pod = user_data;
    Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;

    if (coco_pod_find(pod, id) == NULL) {
        g_debug("out of memory in a container that is not there");
        return;
    }
    event.container_id = (char *) id;
    coco_pod_publish(pod, "/tasks/oom", &event.base);
}

static void
on_vm_ready(const GError *error, void *user_data)
{
    CocoPod *pod = user_data;
    g_autoptr(GError) failure = NULL;
    CocoStateFile state = {
        .id = pod->id,
        .ns = pod->ns,
        .shim_pid = getpid(),
        .vm_pid = coco_pod_vm_pid(pod->vm),
        .measurement = coco_pod_vm_measurement(pod->vm),
    };

    if (error == NULL && !coco_state_file_write(coco_pod_dir_state(pod->dir), &state, &failure))
        g_warning("pod %s: %s", pod->id, failure->message);
    if (error == NULL)
        pod->oom_watch = coco_oom_watch_new(coco_pod_vm_agent(pod->vm), on_out_of_memory, pod);
}

bool
coco_pod_start_vm(CocoPod *pod, GError **error)
{
    if (pod->vm_started)
        return true;
    if (!coco_pod_dir_make(pod->dir, error) ||
        !coco_share_prepare(coco_pod_dir_mounts(pod->dir), coco_pod_dir_shared(pod->dir), error))
        return false;
    pod->vm_started = true;
    coco_pod_vm_start(pod->vm);
    coco_pod_vm_when_ready(pod->vm, on_vm_ready, pod);
    return true;
}

bool
coco_pod_is_vm_started(const CocoPod *pod)
{
    return pod->vm_started;
}

CocoContainer *
coco_pod_find(const CocoPod *pod, const char *id)
{
    return g_hash_table_lookup(pod->containers, id);
}

void
coco_pod_add(CocoPod *pod, CocoContainer *container)
{
    g_hash_table_replace(pod->containers, (char *) coco_container_id(container), container);
}

bool
coco_pod_is_empty(const CocoPod *pod)
{
    return g_hash_table_size(pod->containers) == 0;
}

void
coco_pod_become_sandbox(CocoPod *pod, CocoPodVmGoneFunc func, void *user_data)
{
    pod->is_sandbox = true;
    pod->on_vm_gone = func;
    pod->on_vm_gone_data = user_data;
    watch_idle(pod);
}

bool
coco_pod_is_sandbox(const CocoPod *pod)
{
    return pod->is_sandbox;
}

void
coco_pod_set_sysctls(CocoPod *pod, char **sysctls)
{
    g_strfreev(pod->sysctls);
    pod->sysctls = sysctls;
}

char *const *
coco_pod_sysctls(const CocoPod *pod)
{
    return pod->sysctls;
}

void
coco_pod_note_oom_score(CocoPod *pod, int64_t score)
{
    coco_pod_cgroup_note_score(coco_pod_dir_path(pod->dir), score, !pod->has_score);
    pod->has_score = true;
}

static void
on_vm_stopped(const GError *error, void *user_data)
{
    g_autofree Removal *removal = user_data;
    g_autoptr(GError) failure = NULL;

    if (!coco_pod_dir_remove(removal->pod->dir, &failure))
        g_warning("pod %s: %s", removal->pod->id, failure->message);
    removal->func(removal->user_data);
}

static Removal *
removal_new(CocoPod *pod, CocoPodRemovedFunc func, void *user_data)
{
    Removal *removal = g_new(Removal, 1);

    *removal = (Removal){ .pod = pod, .func = func, .user_data = user_data };
    return removal;
}

static void
remove_vm(CocoPod *pod, CocoPodRemovedFunc func, void *user_data)
{
    coco_pod_vm_stop(pod->vm, on_vm_stopped, removal_new(pod, func, user_data));
}

/* By the container and not by its id, which may be another one's by now. */
static void
take_out(CocoPod *pod, CocoContainer *container)
{
    if (coco_pod_find(pod, coco_container_id(container)) != container)
        return;
    coco_container_doom(container);
    coco_process_stop_stdio(coco_container_init(container));
    coco_share_remove(coco_pod_dir_mounts(pod->dir), coco_container_id(container));
    g_hash_table_remove(pod->containers, coco_container_id(container));
    watch_idle(pod);
}

/* A disk that the guest does not let go stays until the VM ends. */
static void
on_disks_detached(char *const *places, const GError *error, void *user_data)
{
    g_autofree Removal *removal = user_data;

    if (error != NULL)
        g_warning("pod %s: %s", removal->pod->id, error->message);
    removal->func(removal->user_data);
}

void
coco_pod_remove(CocoPod *pod, CocoContainer *container, CocoPodRemovedFunc func, void *user_data)
{
    g_auto(GStrv) disks = coco_container_steal_disks(container);

    take_out(pod, container);
    if (coco_pod_is_empty(pod) && !pod->is_sandbox)
        remove_vm(pod, func, user_data);
    else if (disks != NULL)
        coco_vm_changes_detach(pod->changes, g_steal_pointer(&disks), on_disks_detached,
                               removal_new(pod, func, user_data));
    else
        func(user_data);
}

void
coco_pod_remove_all(CocoPod *pod, CocoPodRemovedFunc func, void *user_data)
{
    g_autoptr(GList) containers = g_hash_table_get_values(pod->containers);

    for (GList *item = containers; item != NULL; item = item->next)
        take_out(pod, item->data);
    remove_vm(pod, func, user_data);
}

void
coco_pod_process_exited(CocoPod *pod, CocoContainer *container, CocoProcess *process,
                        uint32_t exit_status)
{
    if (coco_process_state(process) == COCO_PROCESS_STOPPED)
        return;
    if (process == coco_container_init(container)) {
        coco_container_exit_told(container);
        coco_container_each_exec(container, end_exec, pod);
    }
    end_process(pod, process, exit_status);
}

void
coco_pod_publish(CocoPod *pod, const char *topic, const ProtobufCMessage *event)
{
    coco_event_publisher_publish(pod->events, topic, event);
}

CocoAgentCall
coco_pod_call_of_silent_agent(CocoPod *pod, unsigned int timeout_s, GAsyncReadyCallback callback,
                              void *user_data)
{
    CocoTtrpcClient *agent = coco_pod_vm_agent(pod->vm);

    if (agent != NULL && timeout_s > 0)
        coco_watchdog_note_call(coco_pod_vm_watchdog(pod->vm));
    return (CocoAgentCall){ .client = agent,
                            .timeout_us = (int64_t) timeout_s * G_USEC_PER_SEC,
                            .callback = callback,
                            .user_data = user_data };
}

CocoAgentCall
coco_pod_call_of_agent(CocoPod *pod, unsigned int timeout_s, GAsyncReadyCallback callback,
                       void *user_data)
{
    const CocoWatchdog *watchdog = coco_pod_vm_watchdog(pod->vm);
    int64_t silence_us = watchdog != NULL ? coco_watchdog_silence_us(watchdog) : 0;
    CocoAgentCall call = coco_pod_call_of_silent_agent(pod, timeout_s, callback, user_data);

    if (timeout_s > 0 && silence_us >= (int64_t) MIN(timeout_s, SILENCE_MAX_S) * G_USEC_PER_SEC)
        call.silence_us = silence_us;
    return call;
}

static void
on_flushed(void *user_data)
{
    CocoPod *pod = user_data;

    g_main_loop_quit(pod->loop);
}

static void
flush_and_quit(const GError *error, void *user_data)
{
    CocoPod *pod = user_data;

    coco_event_publisher_flush_async(pod->events, FLUSH_TIMEOUT_US, on_flushed, pod);
}

void
coco_pod_shutdown(CocoPod *pod, bool force)
{
    if (pod->shutting_down || (!force && (pod->is_sandbox || !coco_pod_is_empty(pod))))
        return;
    pod->shutting_down = true;
    coco_pod_vm_stop(pod->vm, flush_and_quit, pod);
}

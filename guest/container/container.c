// SPDX-License-Identifier: Apache-2.0
/*
 * Creation, start, removal and the look-ups. exec and update are in container-exec.c, freezing in
 * container-freeze.c, the bundle in container-bundle.c, the taking away in container-end.c, what
 * the runtime's verbs share in container-verb.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/container-private.h"
#include "guest/system/cgroup.h"
#include "guest/system/directory-tree.h"

char *
coco_guest_container_cgroup_path(const char *id)
{
    /* The prefix keeps ids apart from the kernel's own files ("cgroup.procs" is a valid id). */
    return g_strconcat("/pod/ctr-", id, NULL);
}

CocoGuestContainer *
coco_guest_container_new(const CocoGuestContainerHost *host, const char *id)
{
    CocoGuestContainer *container = g_new0(CocoGuestContainer, 1);
    g_autofree char *cgroup_path = coco_guest_container_cgroup_path(id);

    g_ref_count_init(&container->refs);
    container->host = host;
    container->id = g_strdup(id);
    container->bundle = g_build_filename(coco_layout_get_bundles(host->layout), id, NULL);
    container->cgroup = g_strconcat(coco_layout_get_cgroups(host->layout), cgroup_path, NULL);
    container->processes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                 (GDestroyNotify) coco_guest_process_unref);
    g_queue_init(&container->finished);
    return container;
}

CocoGuestContainer *
coco_guest_container_ref(CocoGuestContainer *container)
{
    g_ref_count_inc(&container->refs);
    return container;
}

static void
drop_processes(CocoGuestContainer *container)
{
    g_hash_table_remove_all(container->processes);
    g_queue_clear_full(&container->finished, (GDestroyNotify) coco_guest_process_unref);
    g_clear_pointer(&container->init, coco_guest_process_unref);
}

void
coco_guest_container_unref(CocoGuestContainer *container)
{
    if (container == NULL || !g_ref_count_dec(&container->refs))
        return;
    g_clear_pointer(&container->memory_watch, coco_memory_watch_free);
    drop_processes(container);
    g_hash_table_unref(container->processes);
    g_free(container->init_id);
    g_free(container->cgroup);
    g_free(container->bundle);
    g_free(container->id);
    g_free(container);
}

const char *
coco_guest_container_get_id(const CocoGuestContainer *container)
{
    return container->id;
}

const char *
coco_guest_container_get_bundle(const CocoGuestContainer *container)
{
    return container->bundle;
}

static void
on_oom_kill(void *user_data)
{
    const CocoGuestContainer *container = user_data;

    container->host->on_oom(container->id, container->host->user_data);
}

void
coco_guest_container_init_exited(CocoGuestContainer *container)
{
    coco_memory_watch_check(container->memory_watch);
    g_clear_pointer(&container->memory_watch, coco_memory_watch_free);
    if (container->state != COCO_CONTAINER_REMOVING && container->state != COCO_CONTAINER_CREATING)
        container->state = COCO_CONTAINER_STOPPED;
    /* The end of a pid namespace ends all in it; without one of its own that is up to us. */
    if (container->shares_pid_namespace)
        (void) coco_cgroup_kill(container->cgroup, NULL);
}

/* ---- create ---- */

static void
watch_memory(CocoGuestContainer *container)
{
    const CocoGuestContainerHost *host = container->host;
    g_autofree char *name = g_strconcat("container ", container->id, NULL);
    g_autoptr(GError) error = NULL;

    container->memory_watch = coco_memory_watch_new(name, container->cgroup, host->files,
                                                    host->reaper, on_oom_kill, container, &error);
    if (container->memory_watch == NULL)
        g_message("container %s: out-of-memory kills will not be told: %s", container->id,
                  error->message);
}

/* Whoever asked for the creation hears of it first, then whoever cancelled it. */
static void
on_undone(const GError *error, void *user_data)
{
    CocoVerb *verb = user_data;
    CocoGuestContainer *container = verb->container;
    CocoVerb *canceller = g_steal_pointer(&container->canceller);

    if (error != NULL)
        g_message("container %s: undo its creation: %s", container->id, error->message);
    container->state = error == NULL ? COCO_CONTAINER_GONE : COCO_CONTAINER_STOPPED;
    coco_verb_end(verb, verb->failure);
    if (canceller != NULL)
        coco_verb_end(canceller, error);
}

static void
create_failed(CocoVerb *verb, const GError *error)
{
    verb->failure = g_error_copy(error);
    coco_guest_container_end(verb->container, on_undone, verb);
}

static GError *
cancelled(const CocoGuestContainer *container)
{
    return g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED,
                       "container %s was removed while it was created", container->id);
}

static void
on_created(const GError *error, void *user_data)
{
    CocoVerb *verb = user_data;
    CocoGuestContainer *container = verb->container;
    g_autoptr(GError) own_error = NULL;
    g_autofree char *text = NULL;

    container->creation = NULL;
    if (error != NULL &&
        coco_crun_is_command_error(error->message, coco_guest_process_get_command(verb->process),
                                   &text)) {
        own_error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, text);
        create_failed(verb, own_error);
    } else if (error != NULL) {
        create_failed(verb, error);
    } else if (!coco_verb_take_process(verb, &own_error)) {
        create_failed(verb, own_error);
    } else if (container->canceller != NULL) { /* it came too late for the runtime */
        own_error = cancelled(container);
        create_failed(verb, own_error);
    } else {
        container->state = COCO_CONTAINER_CREATED;
        watch_memory(container);
        coco_verb_end(verb, NULL);
    }
}

static bool
has_own_pid_namespace(const Grpc__Spec *spec)
{
    for (size_t i = 0; i < spec->linux->n_namespaces; i++) {
        const Grpc__LinuxNamespace *one = spec->linux->namespaces[i];

        if (strcmp(one->type, "pid") == 0)
            return *one->path == '\0';
    }
    return false;
}

static bool
run_create(CocoVerb *verb, GError **error)
{
    const CocoGuestContainer *container = verb->container;
    const char *args[16] = { "create", "--bundle", container->bundle, "--pid-file" };
    size_t n = 4;

    verb->pid_file = g_build_filename(container->bundle, "init.pid", NULL);
    args[n++] = verb->pid_file;
    if (!coco_verb_prepare_console(verb, error))
        return false;
    if (verb->console_path != NULL) {
        args[n++] = "--console-socket";
        args[n++] = verb->console_path;
    }
    args[n++] = container->id;
    if (!coco_verb_run(verb, args, NULL, on_created, error))
        return false;
    verb->container->creation = verb;
    return true;
}

static void
on_bundle_written(const GError *error, void *user_data)
{
    CocoVerb *verb = user_data;
    const CocoGuestContainer *container = verb->container;
    g_autoptr(GError) own_error = NULL;

    if (container->canceller != NULL)
        own_error = cancelled(container);
    else if (error == NULL)
        (void) run_create(verb, &own_error);
    if (own_error != NULL || error != NULL)
        create_failed(verb, own_error != NULL ? own_error : error);
}

void
coco_guest_container_create(CocoGuestContainer *container, Grpc__Spec *spec, const char *init_id,
                            CocoGuestContainerDone done, void *user_data)
{
    CocoVerb *verb;

    container->state = COCO_CONTAINER_CREATING;
    container->shares_pid_namespace = !has_own_pid_namespace(spec);
    container->init_id = g_strdup(init_id);
    container->init = coco_guest_process_new("", spec->process->args[0], spec->process->terminal);
    verb = coco_verb_new(container, container->init, done, user_data);
    coco_guest_container_write_bundle(container, spec, on_bundle_written, verb);
}

/* ---- start ---- */

static void
on_started(const GError *error, void *user_data)
{
    CocoVerb *verb = user_data;
    CocoGuestContainer *container = verb->container;

    /* It may have run and ended already. */
    if (container->state == COCO_CONTAINER_STARTING)
        container->state = error == NULL ? COCO_CONTAINER_RUNNING : COCO_CONTAINER_CREATED;
    coco_verb_end(verb, error);
}

void
coco_guest_container_start(CocoGuestContainer *container, CocoGuestContainerDone done,
                           void *user_data)
{
    CocoVerb *verb = coco_verb_new(container, NULL, done, user_data);
    const char *const args[] = { "start", container->id, NULL };
    g_autoptr(GError) error = NULL;

    if (container->state != COCO_CONTAINER_CREATED) {
        coco_verb_fail(verb, COCO_TTRPC_FAILED_PRECONDITION, "container %s is not in created state",
                       container->id);
        return;
    }
    if (coco_crun_release(container->host->crun, container->id)) {
        container->state = COCO_CONTAINER_RUNNING;
        coco_verb_end(verb, NULL);
        return;
    }
    container->state = COCO_CONTAINER_STARTING;
    if (!coco_verb_run(verb, args, NULL, on_started, &error)) {
        container->state = COCO_CONTAINER_CREATED;
        coco_verb_end(verb, error);
    }
}

/* ---- remove ---- */

/* What has failed can be tried again. */
static void
on_ended(const GError *error, void *user_data)
{
    CocoVerb *verb = user_data;
    CocoGuestContainer *container = verb->container;

    container->state = error == NULL ? COCO_CONTAINER_GONE : COCO_CONTAINER_STOPPED;
    if (error == NULL) {
        coco_guest_container_freeze_cancel(container);
        drop_processes(container);
    }
    coco_verb_end(verb, error);
}

void
coco_guest_container_remove(CocoGuestContainer *container, unsigned int timeout_s,
                            CocoGuestContainerDone done, void *user_data)
{
    CocoVerb *verb = coco_verb_new(container, NULL, done, user_data);

    if (container->state == COCO_CONTAINER_REMOVING || container->canceller != NULL) {
        coco_verb_fail(verb, COCO_TTRPC_FAILED_PRECONDITION, "container %s is being removed",
                       container->id);
        return;
    }
    container->end_timeout_s = timeout_s;
    if (container->state == COCO_CONTAINER_CREATING) {
        container->canceller = verb;
        coco_guest_container_cancel_bundle(container);
        if (container->creation != NULL)
            coco_crun_cancel(container->creation->run);
    } else {
        container->state = COCO_CONTAINER_REMOVING;
        coco_guest_container_end(container, on_ended, verb);
    }
}

bool
coco_guest_container_is_gone(const CocoGuestContainer *container)
{
    return container->state == COCO_CONTAINER_NEW || container->state == COCO_CONTAINER_GONE;
}

/* ---- look-ups ---- */

bool
coco_guest_container_check_running(const CocoGuestContainer *container, GError **error)
{
    if (container->state == COCO_CONTAINER_RUNNING || container->state == COCO_CONTAINER_CREATED)
        return true;
    return coco_ttrpc_failed(error, COCO_TTRPC_FAILED_PRECONDITION, "container %s is not running",
                             container->id);
}

CocoGuestProcess *
coco_guest_container_find_process(CocoGuestContainer *container, const char *exec_id,
                                  GError **error)
{
    CocoGuestProcess *process = NULL;

    if (*exec_id == '\0' || strcmp(exec_id, container->id) == 0 ||
        g_strcmp0(exec_id, container->init_id) == 0)
        process = container->init;
    else
        process = g_hash_table_lookup(container->processes, exec_id);
    if (process == NULL) {
        g_autofree char *shown = g_strescape(exec_id, NULL);

        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND,
                    "process '%.140s' of container %s not found", shown, container->id);
    }
    return process;
}

bool
coco_guest_container_signal(CocoGuestContainer *container, const char *exec_id, uint32_t signal,
                            GError **error)
{
    CocoGuestProcess *process = coco_guest_container_find_process(container, exec_id, error);

    if (process == NULL)
        return false;
    if (*exec_id == '\0' && signal == SIGKILL && coco_guest_process_is_running(process))
        return coco_cgroup_kill(container->cgroup, error);
    return coco_guest_process_signal(process, signal, error);
}

/* Also of one that has ended: the cgroup stays until the container is removed. */
Grpc__CgroupStats *
coco_guest_container_stats(const CocoGuestContainer *container, GError **error)
{
    if (container->init == NULL || !g_file_test(container->cgroup, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "container %s has no cgroup", container->id);
        return NULL;
    }
    return coco_cgroup_stats(container->cgroup);
}

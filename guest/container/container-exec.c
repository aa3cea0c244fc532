// SPDX-License-Identifier: Apache-2.0
/*
 * Another process in a container, and other limits for it.
 */
#include <string.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/container-private.h"
#include "guest/system/kernel-file.h"

#define END_GRACE_MS 2000 /* for the end of a container that is on its way */

/* An exec that failed as one does whose container ends. The kernel tells of the container's first
 * process last, after all that were in its pid namespace, so its end is waited for. */
typedef struct {
    CocoVerb *verb; /* NULL: it was told */
    GError *error;
    GCancellable *cancellable;
    guint grace_id;
} Failure;

static void
exec_failed(CocoVerb *verb, const GError *error)
{
    g_hash_table_remove(verb->container->processes, coco_guest_process_get_exec_id(verb->process));
    coco_verb_end(verb, error);
}

static void
set_oom_score(const CocoVerb *verb)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/oom_score_adj", coco_guest_process_get_pid(verb->process));
    g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT, verb->oom_score);
    g_autoptr(GError) error = NULL;

    if (verb->oom_score != 0 && !coco_kernel_file_write(path, value, &error))
        g_debug("%s", error->message);
}

static void
tell_failure(Failure *failure, bool ended)
{
    CocoVerb *verb = g_steal_pointer(&failure->verb);
    g_autoptr(GError) end_error = NULL;

    g_clear_handle_id(&failure->grace_id, g_source_remove);
    if (ended)
        end_error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                                "container %s has ended (%s)", verb->container->id,
                                failure->error->message);
    exec_failed(verb, ended ? end_error : failure->error);
}

static gboolean
on_grace_over(void *user_data)
{
    Failure *failure = user_data;

    failure->grace_id = 0;
    g_cancellable_cancel(failure->cancellable); /* on_init_end() frees */
    tell_failure(failure, false);
    return G_SOURCE_REMOVE;
}

static void
on_init_end(int exit_code, const GError *error, void *user_data)
{
    Failure *failure = user_data;

    if (failure->verb != NULL)
        tell_failure(failure, error == NULL || error->code == COCO_TTRPC_NOT_FOUND);
    g_error_free(failure->error);
    g_object_unref(failure->cancellable);
    g_free(failure);
}

static void
await_end(CocoVerb *verb, const GError *error)
{
    Failure *failure = g_new0(Failure, 1);

    failure->verb = verb;
    failure->error = g_error_copy(error);
    failure->cancellable = g_cancellable_new();
    failure->grace_id = g_timeout_add(END_GRACE_MS, on_grace_over, failure);
    coco_guest_process_wait(verb->container->init, failure->cancellable, on_init_end, failure);
}

static void
on_executed(const GError *error, void *user_data)
{
    CocoVerb *verb = user_data;
    g_autoptr(GError) own_error = NULL;
    g_autofree char *text = NULL;

    if (error != NULL &&
        coco_crun_is_command_error(error->message, coco_guest_process_get_command(verb->process),
                                   &text)) {
        own_error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, text);
        exec_failed(verb, own_error);
    } else if (error != NULL && verb->container->init != NULL &&
               coco_crun_may_be_the_end(error->message)) {
        await_end(verb, error);
    } else if (error != NULL) {
        exec_failed(verb, error);
    } else if (!coco_verb_take_process(verb, &own_error)) {
        exec_failed(verb, own_error);
    } else {
        set_oom_score(verb);
        coco_verb_end(verb, NULL);
    }
}

static bool
run_exec(CocoVerb *verb, const Grpc__Process *spec, GError **error)
{
    const CocoGuestContainer *container = verb->container;
    g_autofree char *json = coco_oci_process_to_json(spec);
    const char *args[16] = { "exec", "--detach", "--process", COCO_CRUN_INPUT, "--pid-file" };
    size_t n = 5;

    verb->pid_file = g_strdup_printf("%s/exec-%s.pid", container->bundle,
                                     coco_guest_process_get_exec_id(verb->process));
    args[n++] = verb->pid_file;
    if (!coco_verb_prepare_console(verb, error))
        return false;
    if (verb->console_path != NULL) {
        args[n++] = "--console-socket";
        args[n++] = verb->console_path;
    }
    args[n++] = container->id;
    return coco_verb_run(verb, args, json, on_executed, error);
}

/* An id may be used again once its process has gone. */
static bool
check_new_id(CocoGuestContainer *container, const char *exec_id, GError **error)
{
    const CocoGuestProcess *old = coco_guest_container_find_process(container, exec_id, NULL);

    if (old != NULL && !(coco_guest_process_has_exited(old) && old != container->init))
        return coco_ttrpc_failed(error, COCO_TTRPC_ALREADY_EXISTS,
                                 "process '%s' of container %s exists", exec_id, container->id);
    if (g_hash_table_size(container->processes) >= COCO_CONTAINER_PROCESSES_MAX)
        return coco_ttrpc_failed(error, COCO_TTRPC_RESOURCE_EXHAUSTED,
                                 "container %s has %d processes", container->id,
                                 COCO_CONTAINER_PROCESSES_MAX);
    return true;
}

void
coco_guest_container_exec(CocoGuestContainer *container, const char *exec_id,
                          const Grpc__Process *spec, CocoGuestContainerDone done, void *user_data)
{
    g_autoptr(CocoGuestProcess) process =
        coco_guest_process_new(exec_id, spec->args[0], spec->terminal);
    CocoVerb *verb = coco_verb_new(container, process, done, user_data);
    g_autoptr(GError) error = NULL;

    if (!coco_guest_container_check_running(container, &error) ||
        !check_new_id(container, exec_id, &error)) {
        coco_verb_end(verb, error);
        return;
    }
    if (coco_guest_container_is_pausing(container)) {
        coco_verb_fail(verb, COCO_TTRPC_FAILED_PRECONDITION, "container %s is paused",
                       container->id);
        return;
    }
    verb->oom_score = spec->oomscoreadj;
    g_hash_table_replace(container->processes, g_strdup(exec_id), coco_guest_process_ref(process));
    if (!run_exec(verb, spec, &error))
        exec_failed(verb, error);
}

static void
on_updated(const GError *error, void *user_data)
{
    coco_verb_end(user_data, error);
}

void
coco_guest_container_update(CocoGuestContainer *container, const Grpc__LinuxResources *resources,
                            CocoGuestContainerDone done, void *user_data)
{
    CocoVerb *verb = coco_verb_new(container, NULL, done, user_data);
    const char *const args[] = { "update", "--resources", COCO_CRUN_INPUT, container->id, NULL };
    g_autofree char *json = coco_oci_resources_to_json(resources);
    g_autoptr(GError) error = NULL;

    if (!coco_guest_container_check_running(container, &error) ||
        !coco_verb_run(verb, args, json, on_updated, &error))
        coco_verb_end(verb, error);
}

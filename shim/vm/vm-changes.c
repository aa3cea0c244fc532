// SPDX-License-Identifier: Apache-2.0
/*
 * A queue of launcher runs (vm-changes.h).
 */
#include "shim/vm/vm-changes.h"

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    CocoVmChanges *changes;
    CocoLauncherVerb verb;
    CocoLaunchDisk *list; /* attach; with paths of its own */
    CocoLaunchNic *nics;  /* attach, instead; what they name is lent */
    size_t n;
    char **places; /* detach */
    CocoVmChangesFunc func;
    void *user_data;
} Job;

struct _CocoVmChanges {
    const CocoPodDir *dir;
    CocoSignals *signals;
    CocoPodVm *vm;
    GQueue jobs; /* of Job; the first one runs */
    bool running;
    size_t n_taken; /* room that is used or reserved */
    unsigned int next_source;
    GCancellable *cancellable;
};

static void run_next(CocoVmChanges *changes);

static void
job_free(void *data)
{
    Job *job = data;

    for (size_t i = 0; i < job->n && job->list != NULL; i++)
        g_free((char *) job->list[i].path);
    g_free(job->list);
    g_free(job->nics);
    g_strfreev(job->places);
    g_free(job);
}

CocoVmChanges *
coco_vm_changes_new(const CocoPodDir *dir, CocoSignals *signals, CocoPodVm *vm)
{
    CocoVmChanges *changes = g_new0(CocoVmChanges, 1);

    changes->dir = dir;
    changes->signals = signals;
    changes->vm = vm;
    changes->cancellable = g_cancellable_new();
    g_queue_init(&changes->jobs);
    return changes;
}

void
coco_vm_changes_free(CocoVmChanges *changes)
{
    if (changes == NULL)
        return;
    g_cancellable_cancel(changes->cancellable);
    g_object_unref(changes->cancellable);
    g_clear_handle_id(&changes->next_source, g_source_remove);
    g_queue_clear_full(&changes->jobs, job_free);
    g_free(changes);
}

bool
coco_vm_changes_reserve(CocoVmChanges *changes, size_t n)
{
    if (changes->n_taken + n > coco_pod_vm_slots(changes->vm))
        return false;
    changes->n_taken += n;
    return true;
}

void
coco_vm_changes_release(CocoVmChanges *changes, size_t n)
{
    changes->n_taken -= n;
}

static gboolean
on_next(void *user_data)
{
    CocoVmChanges *changes = user_data;

    changes->next_source = 0;
    run_next(changes);
    return G_SOURCE_REMOVE;
}

/* From the main loop, so that nobody is called back from inside their own call. */
static void
run_soon(CocoVmChanges *changes)
{
    if (!changes->running && changes->next_source == 0 && changes->jobs.length > 0)
        changes->next_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_next, changes, NULL);
}

static void
finish(Job *job, char *const *places, const GError *error)
{
    CocoVmChanges *changes = job->changes;
    /* A launcher that was ended half-way may have attached what it cannot tell of any more. */
    bool not_attached = job->verb == COCO_LAUNCHER_ATTACH && error != NULL &&
                        error->code != COCO_TTRPC_DEADLINE_EXCEEDED;
    bool detached = job->verb == COCO_LAUNCHER_DETACH && error == NULL;

    if (not_attached || detached)
        coco_vm_changes_release(changes, job->n);
    job->func(places, error, job->user_data);
    job_free(job);
    run_soon(changes);
}

static void
on_changed(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoLaunchResult) changed = coco_launcher_run_finish(result, &error);
    Job *job = user_data;
    char **places = NULL;

    /* The pod is gone, and this job with its queue. */
    if (g_cancellable_is_cancelled(g_task_get_cancellable(G_TASK(result)))) {
        job_free(job);
        return;
    }
    job->changes->running = false;
    if (changed != NULL)
        places = job->nics != NULL ? changed->nics : changed->disks;
    if (changed != NULL && job->verb == COCO_LAUNCHER_ATTACH &&
        (places == NULL || g_strv_length(places) != job->n))
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL,
                            "the launcher gave %u places for %zu %s",
                            places != NULL ? g_strv_length(places) : 0, job->n,
                            job->nics != NULL ? "interfaces" : "disks");
    finish(job, error == NULL ? places : NULL, error);
}

static void
run(CocoVmChanges *changes, Job *job)
{
    g_autofree char *program = coco_launcher_find_program();
    CocoLauncherCommand request = {
        .verb = job->verb,
        .program = program,
        .run_dir = coco_pod_dir_path(changes->dir),
        .places = job->places,
    };
    CocoLaunchNeeds needs = { .disks = job->list,
                              .n_disks = job->list != NULL ? job->n : 0,
                              .nics = job->nics,
                              .n_nics = job->nics != NULL ? job->n : 0 };
    CocoLauncher *launcher =
        coco_launcher_run_async(&request, changes->signals, changes->cancellable, on_changed, job);
    g_autoptr(GError) error = NULL;

    /* A launcher that hears nothing ends with the reason. */
    if (launcher != NULL && job->verb == COCO_LAUNCHER_ATTACH &&
        !coco_launcher_send(launcher, &needs, &error))
        g_debug("%s", error->message);
}

static void
run_next(CocoVmChanges *changes)
{
    Job *job = g_queue_pop_head(&changes->jobs);
    g_autoptr(GError) gone = NULL;

    if (coco_pod_vm_is_ready(changes->vm)) {
        changes->running = true;
        run(changes, job);
    } else if (job->verb == COCO_LAUNCHER_DETACH) {
        finish(job, job->places, NULL); /* a VM that is gone has none */
    } else {
        gone = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_UNAVAILABLE, "the VM is gone");
        finish(job, NULL, gone);
    }
}

static void
push(CocoVmChanges *changes, Job *job)
{
    job->changes = changes;
    g_queue_push_tail(&changes->jobs, job);
    run_soon(changes);
}

void
coco_vm_changes_attach_disks(CocoVmChanges *changes, const CocoLaunchDisk *list, size_t n,
                             CocoVmChangesFunc func, void *user_data)
{
    Job *job = g_new0(Job, 1);

    coco_pod_vm_note_disks(changes->vm, list, n);
    job->verb = COCO_LAUNCHER_ATTACH;
    job->list = g_new(CocoLaunchDisk, n);
    for (size_t i = 0; i < n; i++)
        job->list[i] =
            (CocoLaunchDisk){ .path = g_strdup(list[i].path), .readonly = list[i].readonly };
    job->n = n;
    job->func = func;
    job->user_data = user_data;
    push(changes, job);
}

void
coco_vm_changes_attach_nics(CocoVmChanges *changes, const CocoLaunchNic *nics, size_t n,
                            CocoVmChangesFunc func, void *user_data)
{
    Job *job = g_new0(Job, 1);

    job->verb = COCO_LAUNCHER_ATTACH;
    job->nics = g_memdup2(nics, n * sizeof *nics);
    job->n = n;
    job->func = func;
    job->user_data = user_data;
    push(changes, job);
}

void
coco_vm_changes_detach(CocoVmChanges *changes, char **places, CocoVmChangesFunc func,
                       void *user_data)
{
    Job *job = g_new0(Job, 1);

    job->verb = COCO_LAUNCHER_DETACH;
    job->places = places;
    job->n = g_strv_length(places);
    job->func = func;
    job->user_data = user_data;
    push(changes, job);
}

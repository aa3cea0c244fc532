// SPDX-License-Identifier: Apache-2.0
/*
 * The containers of the pod. A container is in the table from the moment its creation begins, so
 * that its id is taken, and leaves it when its removal has ended or its creation has failed.
 */
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/spec.h"
#include "guest/pod/sandbox-private.h"
#include "guest/pod/table-modules.h"
#include "guest/pod/termination-log.h"
#include "guest/storage/disk-wait.h"
#include "guest/system/paths.h"
#include "guest/system/sysctl.h"

#define DISKS_TIMEOUT_MS 10000

typedef struct _Pending Pending;

typedef struct {
    CocoGuestContainer *container;
    CocoStorages *storages;
    char *termination_log; /* nullable: what is mounted where the container writes it */
    CocoDiskWait *wait;    /* while its disks are not there, and then */
    Pending *pending;      /* what is to be told */
    bool adds_storages;    /* a removal waits for that */
    Pending *remover;      /* nullable */
} Entry;

struct _Pending {
    CocoGuestSandbox *sandbox;
    char *id;
    const Grpc__CreateContainerRequest *request; /* of a creation */
    CocoGuestContainerDone done;
    void *user_data;
    GError *error; /* nullable: how it ended, while storages are taken away */
};

static void
pending_free(Pending *pending)
{
    g_clear_error(&pending->error);
    g_free(pending->id);
    g_free(pending);
}

static void
entry_free(void *data)
{
    Entry *entry = data;

    if (entry->wait != NULL) {
        coco_disk_wait_cancel(entry->wait);
        pending_free(entry->pending);
    }
    coco_guest_container_unref(entry->container);
    coco_storages_free(entry->storages);
    g_free(entry->termination_log);
    g_free(entry);
}

static void
on_oom(const char *id, void *user_data)
{
    const CocoGuestSandbox *sandbox = user_data;

    coco_oom_events_tell(sandbox->oom_events, id);
}

void
coco_guest_sandbox_wait_oom(CocoGuestSandbox *sandbox, GCancellable *cancellable,
                            CocoOomEventsFunc func, void *user_data)
{
    coco_oom_events_wait(sandbox->oom_events, cancellable, func, user_data);
}

/* Its container tells whose process it was. */
static void
on_pod_oom(void *user_data)
{
}

static CocoMemoryWatch *
watch_pod(const CocoGuestSandbox *sandbox)
{
    g_autofree char *cgroup =
        g_build_filename(coco_layout_get_cgroups(sandbox->layout), "pod", NULL);
    g_autoptr(GError) error = NULL;
    CocoMemoryWatch *watch = coco_memory_watch_new("the pod", cgroup, sandbox->host.files,
                                                   sandbox->host.reaper, on_pod_oom, NULL, &error);

    if (watch == NULL)
        g_debug("the pod's memory is not watched: %s", error->message);
    return watch;
}

/* ---- the sandbox ---- */

CocoGuestSandbox *
coco_guest_sandbox_new(const CocoLayout *layout, CocoReaper *reaper, CocoCrun *crun)
{
    CocoGuestSandbox *sandbox = g_new0(CocoGuestSandbox, 1);

    sandbox->layout = layout;
    sandbox->host = (CocoGuestContainerHost){ .layout = layout,
                                              .reaper = reaper,
                                              .crun = crun,
                                              .files = coco_file_watcher_new(),
                                              .on_oom = on_oom,
                                              .user_data = sandbox };
    sandbox->storage_table = coco_storage_table_new(coco_layout_get_base(layout), reaper);
    sandbox->storages = coco_storages_new(sandbox->storage_table);
    sandbox->containers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
    sandbox->oom_events = coco_oom_events_new();
    sandbox->memory_watch = watch_pod(sandbox);
    sandbox->modules = coco_child_queue_new(reaper);
    sandbox->files = coco_shared_files_new(coco_layout_get_shared(layout), reaper);
    return sandbox;
}

void
coco_guest_sandbox_free(CocoGuestSandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    coco_oom_events_end(sandbox->oom_events);
    coco_child_queue_free(sandbox->modules);
    coco_shared_files_free(sandbox->files);
    coco_storage_table_stop(sandbox->storage_table);
    g_hash_table_unref(sandbox->containers);
    coco_memory_watch_free(sandbox->memory_watch);
    coco_file_watcher_unref(sandbox->host.files);
    coco_storages_free(sandbox->storages);
    coco_storage_table_free(sandbox->storage_table);
    coco_oom_events_free(sandbox->oom_events);
    coco_namespaces_free(sandbox->namespaces);
    g_free(sandbox->hostname);
    g_free(sandbox->first);
    g_free(sandbox->id);
    g_free(sandbox);
}

CocoChildQueue *
coco_guest_sandbox_get_modules(const CocoGuestSandbox *sandbox)
{
    return sandbox->modules;
}

void
coco_guest_sandbox_load_for(CocoGuestSandbox *sandbox, const Grpc__Spec *spec)
{
    if (sandbox->has_tables || !coco_table_modules_are_wanted(spec))
        return;
    sandbox->has_tables = true;
    coco_table_modules_queue(sandbox->modules);
}

CocoSharedFiles *
coco_guest_sandbox_get_files(const CocoGuestSandbox *sandbox)
{
    return sandbox->files;
}

CocoStorageTable *
coco_guest_sandbox_get_storages(const CocoGuestSandbox *sandbox)
{
    return sandbox->storage_table;
}

/* ---- containers ---- */

CocoGuestContainer *
coco_guest_sandbox_find(CocoGuestSandbox *sandbox, const char *id, GError **error)
{
    const Entry *entry;

    if (!coco_paths_check_id("container id", id, error))
        return NULL;
    entry = g_hash_table_lookup(sandbox->containers, id);
    if (entry == NULL) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, "container %s not found", id);
        return NULL;
    }
    return entry->container;
}

void
coco_guest_sandbox_read_termination_log(CocoGuestSandbox *sandbox, const char *id,
                                        CocoChildWorkDone done, void *user_data)
{
    g_autoptr(GError) error = NULL;
    const Entry *entry = NULL;

    if (coco_guest_sandbox_find(sandbox, id, &error) != NULL)
        entry = g_hash_table_lookup(sandbox->containers, id);
    if (entry == NULL)
        done(NULL, error, user_data);
    else
        coco_shared_files_read_log(sandbox->files, entry->termination_log, done, user_data);
}

CocoGuestProcess *
coco_guest_sandbox_find_process(CocoGuestSandbox *sandbox, const char *id, const char *exec_id,
                                GError **error)
{
    CocoGuestContainer *container = coco_guest_sandbox_find(sandbox, id, error);

    return container != NULL ? coco_guest_container_find_process(container, exec_id, error) : NULL;
}

static Pending *
pending_new(CocoGuestSandbox *sandbox, const char *id, const Grpc__CreateContainerRequest *request,
            CocoGuestContainerDone done, void *user_data)
{
    Pending *pending = g_new0(Pending, 1);

    pending->sandbox = sandbox;
    pending->id = g_strdup(id);
    pending->request = request;
    pending->done = done;
    pending->user_data = user_data;
    return pending;
}

/* Kata: the first container is the pod's pause container, if it has one. */
static void
offer_pid_namespace(CocoGuestSandbox *sandbox, const char *id, bool created)
{
    const Entry *entry = g_hash_table_lookup(sandbox->containers, id);
    g_autoptr(GError) error = NULL;
    const CocoGuestProcess *init;

    if (sandbox->namespaces == NULL || entry == NULL || g_strcmp0(sandbox->first, id) != 0)
        return;
    if (!created) {
        g_clear_pointer(&sandbox->first, g_free);
        return;
    }
    init = coco_guest_container_find_process(entry->container, "", NULL);
    if (init != NULL && coco_guest_process_get_pid(init) > 0 &&
        !coco_namespaces_adopt_pid(sandbox->namespaces, coco_guest_process_get_pid(init), &error))
        g_message("container %s: %s", id, error->message);
}

static void
tell(Pending *pending, const GError *error)
{
    pending->done(error, pending->user_data);
    pending_free(pending);
}

/* What was not unmounted in time is no reason to keep the container. */
static void
on_storages_gone(const GError *error, void *user_data)
{
    Pending *pending = user_data;
    Entry *entry = g_hash_table_lookup(pending->sandbox->containers, pending->id);
    Pending *remover = g_steal_pointer(&entry->remover);

    if (error != NULL)
        g_message("container %s: %s", pending->id, error->message);
    g_hash_table_remove(pending->sandbox->containers, pending->id);
    tell(pending, pending->error);
    if (remover != NULL)
        tell(remover, NULL);
}

/* What could not be taken away stays, so that it can be tried again. */
static void
on_container_done(const GError *error, void *user_data)
{
    Pending *pending = user_data;
    Entry *entry = g_hash_table_lookup(pending->sandbox->containers, pending->id);

    if (pending->request != NULL)
        offer_pid_namespace(pending->sandbox, pending->id, error == NULL);
    if (entry == NULL || !coco_guest_container_is_gone(entry->container)) {
        tell(pending, error);
        return;
    }
    if (entry->storages == NULL) { /* whoever cancelled the creation, which is being undone */
        entry->remover = pending;
        return;
    }
    pending->error = error != NULL ? g_error_copy(error) : NULL;
    coco_storages_free_async(g_steal_pointer(&entry->storages), on_storages_gone, pending);
}

static bool
check_new(const CocoGuestSandbox *sandbox, const Grpc__CreateContainerRequest *request,
          GError **error)
{
    static const char *const reserved[] = { "shared", "sandbox", NULL };
    const char *id = request->container_id;

    if (!coco_paths_check_id("container id", id, error))
        return false;
    if (*request->exec_id != '\0' && !coco_paths_check_id("exec id", request->exec_id, error))
        return false;
    if (g_hash_table_contains(sandbox->containers, id))
        return coco_ttrpc_failed(error, COCO_TTRPC_ALREADY_EXISTS, "container %s exists", id);
    if (g_strv_contains(reserved, id))
        return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                                 "container id '%s' is reserved", id);
    if (g_hash_table_size(sandbox->containers) >= COCO_SANDBOX_CONTAINERS_MAX)
        return coco_ttrpc_failed(error, COCO_TTRPC_RESOURCE_EXHAUSTED,
                                 "the sandbox has %d containers", COCO_SANDBOX_CONTAINERS_MAX);
    if (request->n_devices > 0 || request->n_shared_mounts > 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_UNIMPLEMENTED,
                                 "this agent takes no hot-plugged devices and shared mounts yet");
    return true;
}

/* A spec of our own to change; the request is the call's. */
static Grpc__Spec *
copy_spec(const Grpc__Spec *spec)
{
    g_autofree uint8_t *packed = NULL;
    size_t length;

    if (spec == NULL)
        return NULL;
    length = grpc__spec__get_packed_size(spec);
    packed = g_malloc(length);
    grpc__spec__pack(spec, packed);
    return grpc__spec__unpack(NULL, length, packed);
}

static GError *
cancelled(const char *id)
{
    return g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED,
                       "container %s was removed while it was created", id);
}

static Grpc__Spec *
make_spec(CocoGuestSandbox *sandbox, const Grpc__CreateContainerRequest *request, GError **error)
{
    g_autoptr(Grpc__Spec) spec = copy_spec(request->oci);
    g_autofree char *cgroup_path = coco_guest_container_cgroup_path(request->container_id);
    CocoSpecSetting setting = {
        .base = coco_layout_get_base(sandbox->layout),
        .cgroup_path = cgroup_path,
        .hostname = sandbox->hostname,
        .ipc_namespace = coco_namespaces_get_ipc(sandbox->namespaces),
        .uts_namespace = coco_namespaces_get_uts(sandbox->namespaces),
    };

    if (request->sandbox_pidns || sandbox->shares_pid_namespace) {
        setting.pid_namespace = coco_namespaces_get_pid(sandbox->namespaces, error);
        if (setting.pid_namespace == NULL)
            return NULL;
    }
    if (!coco_spec_adapt(spec, &setting, error) ||
        !coco_sysctl_apply_network(spec->linux, "/proc/sys", error))
        return NULL;
    return g_steal_pointer(&spec);
}

static void
on_storages_there(const GError *error, void *user_data)
{
    Pending *pending = user_data;
    const Grpc__CreateContainerRequest *request = pending->request;
    Entry *entry = g_hash_table_lookup(pending->sandbox->containers, pending->id);
    g_autoptr(GError) own_error = NULL;
    g_autoptr(Grpc__Spec) spec = NULL;

    entry->adds_storages = false;
    if (entry->remover != NULL)
        own_error = cancelled(pending->id);
    else if (error == NULL)
        spec = make_spec(pending->sandbox, request, &own_error);
    if (spec == NULL)
        on_container_done(own_error != NULL ? own_error : error, pending);
    else
        coco_guest_container_create(entry->container, spec, request->exec_id, on_container_done,
                                    pending);
}

static void
add_storages(Entry *entry, Pending *pending)
{
    entry->adds_storages = true;
    coco_storages_add_async(entry->storages, pending->request->storages,
                            pending->request->n_storages, on_storages_there, pending);
}

static void
on_disks_there(const GError *error, void *user_data)
{
    Pending *pending = user_data;
    Entry *entry = g_hash_table_lookup(pending->sandbox->containers, pending->id);

    entry->wait = NULL;
    if (error != NULL)
        on_container_done(error, pending);
    else
        add_storages(entry, pending);
}

void
coco_guest_sandbox_create_container(CocoGuestSandbox *sandbox,
                                    const Grpc__CreateContainerRequest *request,
                                    CocoGuestContainerDone done, void *user_data)
{
    const char *id = request->container_id;
    g_autoptr(GError) error = NULL;
    CocoDiskWait *wait;
    Entry *entry;

    if (!check_new(sandbox, request, &error)) {
        done(error, user_data);
        return;
    }
    entry = g_new0(Entry, 1);
    entry->container = coco_guest_container_new(&sandbox->host, id);
    entry->storages = coco_storages_new(sandbox->storage_table);
    entry->termination_log = coco_termination_log_find(request->oci);
    if (sandbox->first == NULL)
        sandbox->first = g_strdup(id);
    entry->pending = pending_new(sandbox, id, request, done, user_data);
    g_hash_table_insert(sandbox->containers, g_strdup(id), entry);
    wait = coco_disk_wait("", request->storages, request->n_storages, DISKS_TIMEOUT_MS,
                          on_disks_there, entry->pending);
    if (wait != NULL) /* else the entry may be gone */
        entry->wait = wait;
}

/* One that waits for its disks has nothing to take away. */
static void
cancel_waiting(Entry *entry)
{
    g_autoptr(GError) error = cancelled(entry->pending->id);

    coco_disk_wait_cancel(g_steal_pointer(&entry->wait));
    on_container_done(error, entry->pending);
}

void
coco_guest_sandbox_remove_container(CocoGuestSandbox *sandbox,
                                    const Grpc__RemoveContainerRequest *request,
                                    CocoGuestContainerDone done, void *user_data)
{
    const char *id = request->container_id;
    g_autoptr(GError) error = NULL;
    CocoGuestContainer *container = coco_guest_sandbox_find(sandbox, id, &error);
    Entry *entry = container != NULL ? g_hash_table_lookup(sandbox->containers, id) : NULL;

    if (entry == NULL) {
        done(error, user_data);
    } else if (entry->storages == NULL || entry->remover != NULL) {
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                            "container %s is being removed", id);
        done(error, user_data);
    } else if (entry->wait != NULL) {
        entry->remover = pending_new(sandbox, id, NULL, done, user_data);
        cancel_waiting(entry);
    } else if (entry->adds_storages) {
        entry->remover = pending_new(sandbox, id, NULL, done, user_data);
    } else {
        coco_guest_container_remove(container, request->timeout, on_container_done,
                                    pending_new(sandbox, id, NULL, done, user_data));
    }
}

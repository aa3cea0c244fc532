// SPDX-License-Identifier: Apache-2.0
/*
 * Create: the container's part on the host (stdio, mounts), the VM if it is the first, the
 * container in the guest. A step that fails undoes the ones before it, and the caller hears of it
 * when that is done.
 */
#include <string.h>
#include <unistd.h>

#include "guest-protocol/oci/oci-json.h"
#include "shim/host/forked-work.h"
#include "shim/host/identifier.h"
#include "shim/host/shim-socket.h"
#include "shim/network/pod-netns.h"
#include "shim/pod/guest-spec.h"
#include "shim/storage/root-plan.h"
#include "shim/storage/share.h"
#include "shim/storage/volume-mounts.h"
#include "shim/task/guest-create.h"
#include "shim/task/task-op.h"
#include "shim/task/task-service.h"
#include "shim/vm/pod-annotations.h"
#include "shim/vm/pod-initdata.h"
#include "shim/vm/pod-tee.h"

#define CREATE_TIMEOUT_S 60
#define MOUNT_TIMEOUT_MS 30000 /* for all mounts of a container on the host */

/* What Create carries from step to step: the spec and how it is sent. */
typedef struct {
    Grpc__Spec *spec;
    bool pidns;
    CocoContainerKind kind;
    bool shares;
    CocoVolumePlan *volumes;
    CocoForkedWork *work; /* makes the volumes' mounts; not freed by us */
    CocoRootPlan root;
    bool attaches;   /* the disks of root, to a VM that is there already */
    size_t reserved; /* room for them */
    GError *failure;
} Create;

static const Containerd__Task__V2__CreateTaskRequest *
request_of(const CocoTaskOp *op)
{
    return (const void *) coco_ttrpc_call_get_request(op->call);
}

static void
on_undone(void *user_data)
{
    CocoTaskOp *op = user_data;
    Create *create = op->extra;
    g_autoptr(GError) failure = g_steal_pointer(&create->failure);

    coco_root_plan_clear(&create->root);
    coco_task_op_fail(op, failure);
}

/* error: (transfer full) */
static void
undo(CocoTaskOp *op, GError *error)
{
    Create *create = op->extra;

    g_clear_pointer(&create->spec, grpc__spec__auto_free);
    g_clear_pointer(&create->volumes, coco_volume_plan_free);
    coco_vm_changes_release(coco_pod_changes(op->pod), create->reserved);
    create->failure = error;
    /* Domains of the steps below become a status that containerd knows. */
    if (error->domain != COCO_TTRPC_ERROR) {
        create->failure = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, error->message);
        g_error_free(error);
    }
    (void) coco_process_stop(op->process, COCO_PROCESS_EV_EXIT, 1);
    coco_pod_remove(op->pod, op->container, on_undone, op);
}

/* True when nobody wants the container any more; then the call is answered when all is undone. */
static bool
was_given_up(CocoTaskOp *op)
{
    if (!coco_container_is_doomed(op->container))
        return false;
    undo(op, g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED,
                         "container %s was deleted while it was created",
                         coco_container_id(op->container)));
    return true;
}

static void
on_given_up_in_guest(CocoTaskOp *op)
{
    (void) was_given_up(op);
}

static void
publish_create(const CocoTaskOp *op)
{
    const Containerd__Task__V2__CreateTaskRequest *request = request_of(op);
    Containerd__Events__TaskCreate event = CONTAINERD__EVENTS__TASK_CREATE__INIT;
    Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;

    io.stdin = request->stdin;
    io.stdout = request->stdout;
    io.stderr = request->stderr;
    io.terminal = request->terminal;
    event.container_id = request->id;
    event.bundle = request->bundle;
    event.n_rootfs = request->n_rootfs;
    event.rootfs = request->rootfs;
    event.io = &io;
    event.checkpoint = request->checkpoint;
    event.pid = coco_task_op_pid(op);
    coco_pod_publish(op->pod, "/tasks/create", &event.base);
}

/* Of a command that cannot be run clients know a runtime's words, and NOT_FOUND would mean the
 * container. (transfer full) */
static GError *
report(const CocoTaskOp *op, const GError *error)
{
    if (g_str_has_prefix(error->message, "exec: "))
        return g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN,
                           "OCI runtime create failed: unable to start container process: %s",
                           error->message);
    return g_error_new(error->domain, error->code, "create container %s in the guest: %s",
                       coco_container_id(op->container), error->message);
}

static void
on_created(GObject *source, GAsyncResult *result, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, &error);
    CocoTaskOp *op = user_data;
    Create *create = op->extra;
    Containerd__Task__V2__CreateTaskResponse response =
        CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;

    if (reply == NULL) {
        undo(op, report(op, error));
        return;
    }
    if (coco_container_is_doomed(op->container)) {
        coco_task_op_remove_in_guest(op, on_given_up_in_guest);
        return;
    }
    coco_root_plan_clear(&create->root);
    coco_container_set_created(op->container);
    coco_process_start_stdio(op->process, coco_pod_vm_agent(coco_pod_vm(op->pod)));
    coco_task_watch_exit(op->pod, op->container, op->process);
    publish_create(op);
    response.pid = coco_task_op_pid(op);
    coco_task_op_reply(op, &response.base);
}

static void
create_in_guest(CocoTaskOp *op, char *const *places)
{
    Create *create = op->extra;
    size_t n_storages = create->root.n_disks;
    Grpc__Storage **storages =
        n_storages > 0 ? coco_root_plan_storages(&create->root, places, create->spec->root->path)
                       : NULL;
    const CocoAgentContainer container = { .id = coco_container_id(op->container),
                                           .spec = create->spec,
                                           .sandbox_pidns = create->pidns,
                                           .storages = storages,
                                           .n_storages = n_storages };

    coco_guest_create(op->pod, &container, CREATE_TIMEOUT_S, on_created, op);
    coco_root_storages_free(storages, n_storages);
    g_clear_pointer(&create->spec, grpc__spec__auto_free);
}

/* The launcher's form of the disks, which lends the plan's paths. */
static CocoLaunchDisk *
launch_disks(const CocoRootPlan *root)
{
    CocoLaunchDisk *disks = g_new0(CocoLaunchDisk, root->n_disks + 1);

    for (size_t i = 0; i < root->n_disks; i++)
        disks[i] =
            (CocoLaunchDisk){ .path = root->disks[i].path, .readonly = root->disks[i].readonly };
    return disks;
}

static void
on_attached(char *const *places, const GError *error, void *user_data)
{
    CocoTaskOp *op = user_data;

    if (error != NULL) {
        undo(op, g_error_new(error->domain, error->code, "root file system of container %s: %s",
                             coco_container_id(op->container), error->message));
        return;
    }
    coco_container_set_disks(op->container, g_strdupv((char **) places));
    if (!was_given_up(op))
        create_in_guest(op, places);
}

static void
on_vm_ready(const GError *error, void *user_data)
{
    CocoTaskOp *op = user_data;
    Create *create = op->extra;
    g_autofree CocoLaunchDisk *disks = NULL;

    if (error != NULL) {
        undo(op, g_error_new(error->domain, error->code, "start VM of pod %s: %s",
                             coco_pod_id(op->pod), error->message));
        return;
    }
    if (was_given_up(op))
        return;
    if (!create->attaches) {
        create_in_guest(op,
                        create->root.n_disks > 0 ? coco_pod_vm_disks(coco_pod_vm(op->pod)) : NULL);
        return;
    }
    disks = launch_disks(&create->root);
    create->reserved = 0;
    coco_vm_changes_attach_disks(coco_pod_changes(op->pod), disks, create->root.n_disks,
                                 on_attached, op);
}

static void
on_stdio_opened(const GError *error, void *user_data)
{
    CocoTaskOp *op = user_data;

    if (error != NULL)
        undo(op, g_error_copy(error));
    else
        coco_pod_vm_when_ready(coco_pod_vm(op->pod), on_vm_ready, op);
}

static Grpc__Spec *
load_spec(const char *bundle, GError **error)
{
    g_autofree char *path = g_build_filename(bundle, "config.json", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(Grpc__Spec) spec = NULL;
    size_t length = 0;

    if (!g_file_get_contents(path, &text, &length, &failure)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT, "read OCI spec: %s",
                    failure->message);
        return NULL;
    }
    spec = coco_oci_spec_from_json(text, length, error);
    if (spec == NULL) {
        g_prefix_error(error, "read OCI spec '%s': ", path);
        return NULL;
    }
    if (spec->process == NULL || spec->root == NULL) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "read OCI spec '%s': no %s", path, spec->process == NULL ? "process" : "root");
        return NULL;
    }
    return g_steal_pointer(&spec);
}

/* A root path of the spec is relative to the bundle; it counts only when containerd gives no
 * mounts. */
static bool
plan_rootfs(const CocoTaskOp *op, const Create *create, GError **error)
{
    const Containerd__Task__V2__CreateTaskRequest *request = request_of(op);
    const char *path = create->spec->root->path;
    g_autofree char *root =
        g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(request->bundle, path, NULL);

    return coco_volume_plan_add_root(create->volumes, request->rootfs, request->n_rootfs, root,
                                     error);
}

/* Disks go into a VM before it starts, or are attached to it for a pod's further containers. What
 * finds no room, or has no form for disks, is mounted on the host and exported. */
static bool
place_rootfs(const CocoTaskOp *op, char **out_path, GError **error)
{
    const Containerd__Task__V2__CreateTaskRequest *request = request_of(op);
    Create *create = op->extra;
    bool done = coco_root_plan_make(request->rootfs, request->n_rootfs, &create->root, error);

    coco_root_plan_check_later(request->rootfs, request->n_rootfs, create->volumes);
    if (done && create->root.n_disks > 0 && coco_pod_vm_is_decided(coco_pod_vm(op->pod))) {
        create->attaches = coco_vm_changes_reserve(coco_pod_changes(op->pod), create->root.n_disks);
        create->reserved = create->attaches ? create->root.n_disks : 0;
        if (!create->attaches) {
            coco_root_plan_clear(&create->root);
            create->root =
                (CocoRootPlan){ .why_shared = g_strdup("the VM has no room for more disks") };
        }
    }
    if (done && create->root.why_shared != NULL)
        g_message("container %s: the disks of its root file system are mounted on the host: %s",
                  request->id, create->root.why_shared);
    *out_path = create->root.n_disks > 0
                    ? g_build_filename(COCO_ROOT_IN_GUEST, request->id, "rootfs", NULL)
                    : g_build_filename(COCO_SHARE_IN_GUEST, request->id, "rootfs", NULL);
    if (done && create->root.n_disks == 0)
        done = plan_rootfs(op, create, error);
    if (!done)
        g_prefix_error(error, "root file system of container %s: ", request->id);
    return done;
}

/* Another container may have decided what the VM gets while this one's mounts were made. */
static bool
attach_later(const CocoTaskOp *op, Create *create, GError **error)
{
    if (create->root.n_disks == 0 || create->attaches)
        return true;
    create->attaches = coco_vm_changes_reserve(coco_pod_changes(op->pod), create->root.n_disks);
    create->reserved = create->attaches ? create->root.n_disks : 0;
    if (!create->attaches)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "root file system of container %s: the VM has no room for more disks",
                    coco_container_id(op->container));
    return create->attaches;
}

/* The limits of the pod, as its first container tells them. */
static CocoPodSize
size_of(const Grpc__Spec *spec)
{
    const Grpc__LinuxResources *resources = spec->linux != NULL ? spec->linux->resources : NULL;
    const Grpc__LinuxCPU *cpu = resources != NULL ? resources->cpu : NULL;
    const Grpc__LinuxMemory *memory = resources != NULL ? resources->memory : NULL;
    CocoPodSize size;

    if (coco_pod_size_of_annotations(coco_guest_spec_annotation, (void *) spec, &size))
        return size;
    return coco_pod_size_of_limits(cpu != NULL ? cpu->quota : 0, cpu != NULL ? cpu->period : 0,
                                   memory != NULL ? memory->limit : 0);
}

/* Its network may be made after this: then there must be room in the VM. */
static bool
has_late_network(const CocoPod *pod)
{
    g_autofree char *path = NULL;

    return coco_pod_netns_load(coco_pod_run_dir(pod), &path) == COCO_NETNS_NEW;
}

/* The first container says what the VM gets. A pod's others may need the share though it does not;
 * for their disks there is room. */
static bool
decide_vm(const CocoTaskOp *op, GError **error)
{
    Create *create = op->extra;
    CocoPodVm *vm = coco_pod_vm(op->pod);
    g_autofree CocoLaunchDisk *disks = launch_disks(&create->root);
    CocoLaunchNeeds needs = {
        .share = create->shares,
        .size = size_of(create->spec),
        .hotplug = create->kind != COCO_KIND_SINGLE || has_late_network(op->pod),
        .disks = disks,
        .n_disks = create->root.n_disks,
    };

    if (coco_pod_vm_is_decided(vm)) {
        if (!attach_later(op, create, error))
            return false;
        if (coco_pod_vm_has_share(vm) || !create->shares)
            return true;
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "container %s: its pod's VM was started without a shared directory",
                    coco_container_id(op->container));
        return false;
    }
    return coco_pod_vm_launch(vm, &needs, error);
}

/* `start` did it, but containerd 2 with Task v3 starts no shim for a pod's further containers, and
 * an earlier containerd that takes over later finds the shim by this file only. */
static void
leave_address(const CocoPod *pod, const char *bundle)
{
    g_autofree char *path = g_build_filename(bundle, "address", NULL);
    g_autofree char *address = coco_shim_socket_address(coco_pod_run_dir(pod));
    g_autoptr(GError) error = NULL;

    if (access(path, F_OK) != 0 && !coco_shim_socket_write_address(bundle, address, &error))
        g_warning("bundle '%s': %s", bundle, error->message);
}

/* The mounts and the spec of the container, which say what the VM needs. */
static bool
adapt(CocoTaskOp *op, GError **error)
{
    const Containerd__Task__V2__CreateTaskRequest *request = request_of(op);
    Create *create = op->extra;
    g_autofree char *root = NULL;
    CocoGuestSpecContext context = {
        .id = request->id,
        .bundle = request->bundle,
        .volumes = create->volumes,
        .etc = coco_pod_is_sandbox(op->pod) ? coco_pod_dir_etc(coco_pod_run_dir(op->pod)) : NULL,
        .sysctls = coco_pod_sysctls(op->pod),
        .kind = create->kind,
    };

    if (!place_rootfs(op, &root, error))
        return false;
    context.root = root;
    create->shares = create->kind != COCO_KIND_SINGLE || create->root.n_disks == 0;
    return coco_guest_spec_adapt(create->spec, &context, &create->pidns, &create->shares, error);
}

/* A sandbox of the Sandbox service has no container of its own: all are members, whatever their
 * annotations say. */
static bool
find_kind(const CocoTaskOp *op, CocoContainerKind *out_kind, GError **error)
{
    const Create *create = op->extra;
    const char *pod_id;

    if (!coco_pod_is_sandbox(op->pod) &&
        !coco_container_kind_detect(coco_container_id(op->container), coco_guest_spec_annotation,
                                    create->spec, out_kind, &pod_id, error))
        return false;
    /* It has a pod by now, whoever made it. */
    if (coco_pod_is_sandbox(op->pod) || *out_kind == COCO_KIND_PEER)
        *out_kind = COCO_KIND_MEMBER;
    return true;
}

/* What they say of the VM was decided when it was started. */
static bool
check_annotations(const CocoTaskOp *op, const Grpc__Spec *spec, GError **error)
{
    const CocoPodDir *dir = coco_pod_run_dir(op->pod);
    g_autoptr(CocoPodAnnotations) all = coco_pod_annotations_new();

    for (size_t i = 0; i < spec->n_annotations; i++)
        coco_pod_annotations_add(spec->annotations[i]->key, spec->annotations[i]->value, all);
    return coco_pod_initdata_check(
               dir, coco_pod_initdata_find(coco_guest_spec_annotation, (void *) spec), error) &&
           coco_pod_tee_check(dir, coco_pod_tee_find(coco_guest_spec_annotation, (void *) spec),
                              error) &&
           coco_pod_annotations_check(all, dir, error);
}

/* All that needs neither a VM nor a look at a file system that may not answer. */
static bool
prepare(CocoTaskOp *op, GError **error)
{
    const Containerd__Task__V2__CreateTaskRequest *request = request_of(op);
    Create *create = op->extra;

    if (!coco_pod_start_vm(op->pod, error))
        return false;
    create->spec = load_spec(request->bundle, error);
    if (create->spec == NULL)
        return false;
    leave_address(op->pod, request->bundle);
    create->spec->process->terminal = request->terminal; /* what the caller set up its end for */
    create->volumes = coco_volume_plan_new(request->id);
    if (!find_kind(op, &create->kind, error))
        return false;
    if (create->kind != COCO_KIND_SANDBOX)
        coco_pod_note_oom_score(op->pod, create->spec->process->oomscoreadj);
    return check_annotations(op, create->spec, error) && adapt(op, error);
}

/* In a child process. */
static bool
make_mounts(CocoForkedReport *report, void *data, GError **error)
{
    const CocoTaskOp *op = data;
    const Create *create = op->extra;

    return coco_volume_mounts_make(create->volumes, coco_pod_mounts_dir(op->pod), report, error);
}

static void
on_given_up(void *user_data)
{
    const CocoTaskOp *op = user_data;
    const Create *create = op->extra;

    coco_forked_work_cancel(create->work);
}

/* The VM boots from here on. */
static void
on_mounted(const GError *error, void *user_data)
{
    CocoTaskOp *op = user_data;
    Create *create = op->extra;
    GError *failure = NULL;

    create->work = NULL;
    coco_container_set_doom_func(op->container, NULL, NULL);
    g_clear_pointer(&create->volumes, coco_volume_plan_free);
    if (error != NULL)
        undo(op, g_error_copy(error));
    else if (was_given_up(op))
        return;
    else if (!decide_vm(op, &failure))
        undo(op, failure);
    else
        coco_stdio_open(coco_process_stdio(op->process), on_stdio_opened, op);
}

static bool
begin_mounts(CocoTaskOp *op, GError **error)
{
    Create *create = op->extra;

    create->work = coco_forked_work_start(coco_pod_signals(op->pod), make_mounts, op,
                                          MOUNT_TIMEOUT_MS, on_mounted, op, error);
    if (create->work != NULL)
        coco_container_set_doom_func(op->container, on_given_up, op);
    return create->work != NULL;
}

static bool
is_acceptable(CocoPod *pod, const Containerd__Task__V2__CreateTaskRequest *request, GError **error)
{
    if (!coco_identifier_is_valid(request->id))
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "container id '%s' is not valid", request->id);
    else if (!g_path_is_absolute(request->bundle) || strstr(request->bundle, "/../") != NULL)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "bundle '%s' is not an absolute path", request->bundle);
    else if (coco_pod_find(pod, request->id) != NULL)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_ALREADY_EXISTS,
                    "container %s: already exists", request->id);
    else if (coco_pod_is_sandbox(pod) && !coco_pod_vm_is_ready(coco_pod_vm(pod)))
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "create container %s: sandbox %s does not run", request->id, coco_pod_id(pod));
    else if (request->checkpoint[0] != '\0')
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNIMPLEMENTED,
                    "restore container %s from a checkpoint: not implemented", request->id);
    else
        return true;
    return false;
}

void
coco_task_create(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__CreateTaskRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoProcessConfig config = {
        .container_id = request->id,
        .exec_id = "",
        .ns = coco_pod_namespace(pod),
        .signals = coco_pod_signals(pod),
        .in = request->stdin,
        .out = request->stdout,
        .err = request->stderr,
        .terminal = request->terminal,
    };
    g_autoptr(GError) error = NULL;
    CocoContainer *container;
    CocoProcess *init;
    CocoTaskOp *op;

    if (!is_acceptable(pod, request, &error)) {
        coco_ttrpc_call_fail_error(call, error);
        return;
    }
    init = coco_process_new(&config);
    container = coco_container_new(request->id, request->bundle, init);
    op = coco_task_op_new(pod, call, container, init);
    op->extra = g_new0(Create, 1);
    coco_pod_add(pod, container);
    if (!prepare(op, &error) || !begin_mounts(op, &error))
        undo(op, g_steal_pointer(&error));
}

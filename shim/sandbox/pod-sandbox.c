// SPDX-License-Identifier: Apache-2.0
/*
 * Effects of a sandbox's states. Stop and Wait are one list: both are answered when it has stopped.
 */
#include "shim/sandbox/pod-sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/pod-cgroup.h"
#include "shim/network/pod-netns.h"
#include "shim/pod/pod-names.h"
#include "shim/storage/share.h"
#include "shim/vm/pod-annotations.h"
#include "shim/vm/pod-initdata.h"
#include "shim/vm/pod-tee.h"

#define CRI_CONFIG_TYPE "runtime.v1.PodSandboxConfig"
#define EXIT_LOST 137 /* 128 + SIGKILL, as a process of a vanished VM is reported */

typedef Containerd__Runtime__Sandbox__V1__CreateSandboxRequest CreateRequest;

typedef struct {
    CocoWaiterFunc func;
    void *user_data;
} Caller;

struct _CocoPodSandbox {
    CocoPod *pod;
    CocoSandboxState state;
    char *netns;
    int netns_fd; /* keeps the pod's network namespace for as long as the sandbox runs */
    int64_t created_at;
    int64_t exited_at;
    uint32_t exit_status;
    CocoPodSize size;
    Caller starter;       /* of the start that is under way */
    CocoWaiters *waiters; /* for its end */
    Caller remover;
};

CocoPodSandbox *
coco_pod_sandbox_new(CocoPod *pod)
{
    CocoPodSandbox *sandbox = g_new0(CocoPodSandbox, 1);

    sandbox->pod = pod;
    sandbox->state = COCO_SANDBOX_NEW;
    sandbox->netns = g_strdup("");
    sandbox->netns_fd = -1;
    sandbox->waiters = coco_waiters_new();
    return sandbox;
}

void
coco_pod_sandbox_free(CocoPodSandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    coco_fd_clear(&sandbox->netns_fd);
    coco_waiters_free(sandbox->waiters);
    g_free(sandbox->netns);
    g_free(sandbox);
}

CocoPod *
coco_pod_sandbox_pod(const CocoPodSandbox *sandbox)
{
    return sandbox->pod;
}

CocoSandboxState
coco_pod_sandbox_state(const CocoPodSandbox *sandbox)
{
    return sandbox->state;
}

int64_t
coco_pod_sandbox_created_at(const CocoPodSandbox *sandbox)
{
    return sandbox->created_at;
}

int64_t
coco_pod_sandbox_exited_at(const CocoPodSandbox *sandbox)
{
    return sandbox->exited_at;
}

uint32_t
coco_pod_sandbox_exit_status(const CocoPodSandbox *sandbox)
{
    return sandbox->exit_status;
}

const char *
coco_pod_sandbox_netns(const CocoPodSandbox *sandbox)
{
    return sandbox->netns;
}

static bool
step(CocoPodSandbox *sandbox, CocoSandboxEvent event)
{
    CocoSandboxState to = (CocoSandboxState) coco_fsm_step(
        &coco_sandbox_fsm, coco_pod_id(sandbox->pod), sandbox->state, event);

    if (to != COCO_SANDBOX_INVALID)
        sandbox->state = to;
    return to != COCO_SANDBOX_INVALID;
}

/* ---- its end ---- */

static void
enter_stopped(CocoPodSandbox *sandbox, uint32_t exit_status)
{
    sandbox->exit_status = exit_status;
    sandbox->exited_at = g_get_real_time();
    coco_fd_clear(&sandbox->netns_fd);
    coco_waiters_tell(sandbox->waiters, NULL);
}

static void
on_vm_gone(CocoPodVm *vm, const GError *reason, void *user_data)
{
    CocoPodSandbox *sandbox = user_data;

    if (step(sandbox, COCO_SANDBOX_EV_DOWN))
        enter_stopped(sandbox, EXIT_LOST);
}

static void
on_vm_stopped(const GError *error, void *user_data)
{
    CocoPodSandbox *sandbox = user_data;

    coco_pod_end_containers(sandbox->pod);
    if (step(sandbox, COCO_SANDBOX_EV_DOWN))
        enter_stopped(sandbox, 0);
}

static bool
check_created(const CocoPodSandbox *sandbox, GError **error)
{
    if (sandbox->state != COCO_SANDBOX_NEW)
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, "sandbox %s not created: not found",
                coco_pod_id(sandbox->pod));
    return false;
}

void
coco_pod_sandbox_wait(CocoPodSandbox *sandbox, GCancellable *caller, CocoWaiterFunc func,
                      void *user_data)
{
    g_autoptr(GError) error = NULL;

    if (!check_created(sandbox, &error) || sandbox->state == COCO_SANDBOX_STOPPED)
        func(error, user_data);
    else
        coco_waiters_add(sandbox->waiters, caller, func, user_data);
}

void
coco_pod_sandbox_stop(CocoPodSandbox *sandbox, GCancellable *caller, CocoWaiterFunc func,
                      void *user_data)
{
    coco_pod_sandbox_wait(sandbox, caller, func, user_data);
    if (step(sandbox, COCO_SANDBOX_EV_STOP))
        coco_pod_vm_stop(coco_pod_vm(sandbox->pod), on_vm_stopped, sandbox);
}

static void
on_removed(void *user_data)
{
    CocoPodSandbox *sandbox = user_data;

    sandbox->remover.func(NULL, sandbox->remover.user_data);
}

static void
on_stopped_for_removal(const GError *error, void *user_data)
{
    CocoPodSandbox *sandbox = user_data;

    coco_pod_remove_all(sandbox->pod, on_removed, sandbox);
}

void
coco_pod_sandbox_remove(CocoPodSandbox *sandbox, CocoWaiterFunc func, void *user_data)
{
    g_autoptr(GError) error = NULL;

    if (sandbox->remover.func != NULL)
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                            "sandbox %s is being removed", coco_pod_id(sandbox->pod));
    else if (sandbox->state == COCO_SANDBOX_NEW && !coco_pod_is_empty(sandbox->pod))
        (void) check_created(sandbox, &error);
    if (error != NULL) {
        func(error, user_data);
        return;
    }
    sandbox->remover = (Caller){ .func = func, .user_data = user_data };
    if (sandbox->state == COCO_SANDBOX_NEW)
        on_stopped_for_removal(NULL, sandbox);
    else
        coco_pod_sandbox_stop(sandbox, NULL, on_stopped_for_removal, sandbox);
}

/* ---- its beginning ---- */

static bool
is_cri_config(const Google__Protobuf__Any *options)
{
    const char *slash = options != NULL ? strrchr(options->type_url, '/') : NULL;

    return options != NULL &&
           strcmp(slash != NULL ? slash + 1 : options->type_url, CRI_CONFIG_TYPE) == 0;
}

static bool
take_names(const CocoPodSandbox *sandbox, const Runtime__V1__PodSandboxConfig *config,
           GError **error)
{
    const CocoPodDir *dir = coco_pod_run_dir(sandbox->pod);
    g_autofree char *hostname = coco_pod_names_hostname(config);
    g_auto(GStrv) dns = coco_pod_names_dns(config);

    coco_pod_vm_set_names(coco_pod_vm(sandbox->pod), hostname, dns);
    coco_pod_set_sysctls(sandbox->pod, coco_pod_names_sysctls(config));
    return coco_pod_dir_make(dir, error) && coco_share_make_small(coco_pod_dir_etc(dir), error) &&
           coco_pod_names_write(coco_pod_dir_etc(dir), config, error);
}

typedef struct {
    const CreateRequest *request;
    const Runtime__V1__PodSandboxConfig *config; /* nullable */
} Annotated;

static const char *
find_annotation(const char *key, void *user_data)
{
    const Annotated *from = user_data;

    for (size_t i = 0; i < from->request->n_annotations; i++) {
        if (strcmp(from->request->annotations[i]->key, key) == 0)
            return from->request->annotations[i]->value;
    }
    for (size_t i = 0; from->config != NULL && i < from->config->n_annotations; i++) {
        if (strcmp(from->config->annotations[i]->key, key) == 0)
            return from->config->annotations[i]->value;
    }
    return NULL;
}

/* `start` saved those of a bundle with a spec. CRI's sandboxes have none, and come with them here.
 */
static bool
take_tee(const CocoPodSandbox *sandbox, const Annotated *annotated, GError **error)
{
    const CocoPodDir *dir = coco_pod_run_dir(sandbox->pod);
    const char *value = coco_pod_tee_find(find_annotation, (void *) annotated);

    if (value != NULL && !coco_pod_is_vm_started(sandbox->pod))
        return coco_pod_dir_make(dir, error) && coco_pod_tee_save_value(value, dir, error);
    return coco_pod_tee_check(dir, value, error);
}

static bool
take_initdata(const CocoPodSandbox *sandbox, const Annotated *annotated, GError **error)
{
    const CocoPodDir *dir = coco_pod_run_dir(sandbox->pod);
    const char *value = coco_pod_initdata_find(find_annotation, (void *) annotated);

    if (value != NULL && !coco_pod_is_vm_started(sandbox->pod))
        return coco_pod_dir_make(dir, error) && coco_pod_initdata_save_value(value, dir, error);
    return coco_pod_initdata_check(dir, value, error);
}

static bool
take_annotations(const CocoPodSandbox *sandbox, const Annotated *annotated, GError **error)
{
    const CocoPodDir *dir = coco_pod_run_dir(sandbox->pod);
    const Runtime__V1__PodSandboxConfig *config = annotated->config;
    g_autoptr(CocoPodAnnotations) all = coco_pod_annotations_new();

    for (size_t i = 0; config != NULL && i < config->n_annotations; i++)
        coco_pod_annotations_add(config->annotations[i]->key, config->annotations[i]->value, all);
    for (size_t i = 0; i < annotated->request->n_annotations; i++)
        coco_pod_annotations_add(annotated->request->annotations[i]->key,
                                 annotated->request->annotations[i]->value, all);
    if (!coco_pod_is_vm_started(sandbox->pod))
        return coco_pod_dir_make(dir, error) && coco_pod_annotations_save(all, dir, error);
    return coco_pod_annotations_check(all, dir, error);
}

/* `start` saved a place for a pod of which nothing was known. */
static bool
take_cgroup(const CocoPodSandbox *sandbox, const Runtime__V1__PodSandboxConfig *config,
            GError **error)
{
    const CocoPodDir *dir = coco_pod_run_dir(sandbox->pod);

    if (config == NULL || config->linux == NULL || coco_pod_is_vm_started(sandbox->pod))
        return true;
    return coco_pod_dir_make(dir, error) &&
           coco_pod_cgroup_save_sandbox(config->linux->cgroup_parent, coco_pod_id(sandbox->pod),
                                        coco_pod_dir_path(dir), error);
}

static void
take_size(CocoPodSandbox *sandbox, const Runtime__V1__PodSandboxConfig *config)
{
    const Runtime__V1__LinuxContainerResources *limits =
        config != NULL && config->linux != NULL ? config->linux->resources : NULL;

    if (limits != NULL)
        sandbox->size =
            coco_pod_size_of_limits(limits->cpu_quota, (uint64_t) MAX(limits->cpu_period, 0),
                                    limits->memory_limit_in_bytes);
}

static bool
hold_network(CocoPodSandbox *sandbox, const char *path, GError **error)
{
    const CocoPodDir *dir = coco_pod_run_dir(sandbox->pod);

    if (!coco_pod_dir_make(dir, error) || !coco_pod_netns_save_path(path, dir, error))
        return false;
    if (path[0] == '\0')
        return true;
    sandbox->netns_fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (sandbox->netns_fd < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "open network namespace '%s': %s", path, g_strerror(errno));
        return false;
    }
    g_free(sandbox->netns);
    sandbox->netns = g_strdup(path);
    return true;
}

static bool
take_request(CocoPodSandbox *sandbox, const CreateRequest *request, GError **error)
{
    g_autoptr(Runtime__V1__PodSandboxConfig) config = NULL;
    Annotated annotated = { .request = request };

    if (is_cri_config(request->options)) {
        config = (Runtime__V1__PodSandboxConfig *) coco_pb_unpack(
            &runtime__v1__pod_sandbox_config__descriptor, request->options->value.data,
            request->options->value.len, error);
        if (config == NULL || !take_names(sandbox, config, error))
            return false;
    }
    annotated.config = config;
    take_size(sandbox, config);
    return take_cgroup(sandbox, config, error) && take_tee(sandbox, &annotated, error) &&
           take_initdata(sandbox, &annotated, error) &&
           take_annotations(sandbox, &annotated, error) &&
           hold_network(sandbox, request->netns_path, error);
}

bool
coco_pod_sandbox_create(CocoPodSandbox *sandbox, const CreateRequest *request, GError **error)
{
    const char *id = coco_pod_id(sandbox->pod);

    if (sandbox->state != COCO_SANDBOX_NEW || !coco_pod_is_empty(sandbox->pod)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_ALREADY_EXISTS,
                    "sandbox %s: already exists", id);
        return false;
    }
    if (!take_request(sandbox, request, error) || !coco_pod_start_vm(sandbox->pod, error)) {
        g_prefix_error(error, "create sandbox %s: ", id);
        coco_fd_clear(&sandbox->netns_fd);
        return false;
    }
    (void) step(sandbox, COCO_SANDBOX_EV_CREATE);
    sandbox->created_at = g_get_real_time();
    coco_pod_become_sandbox(sandbox->pod, on_vm_gone, sandbox);
    return true;
}

static void
on_vm_ready(const GError *error, void *user_data)
{
    CocoPodSandbox *sandbox = user_data;
    g_autoptr(GError) failure = NULL;

    if (error == NULL) {
        (void) step(sandbox, COCO_SANDBOX_EV_READY);
    } else {
        failure = g_error_new(error->domain, error->code, "start VM of pod %s: %s",
                              coco_pod_id(sandbox->pod), error->message);
        if (step(sandbox, COCO_SANDBOX_EV_DOWN))
            enter_stopped(sandbox, EXIT_LOST);
    }
    sandbox->starter.func(failure, sandbox->starter.user_data);
}

void
coco_pod_sandbox_start(CocoPodSandbox *sandbox, CocoWaiterFunc func, void *user_data)
{
    CocoPodVm *vm = coco_pod_vm(sandbox->pod);
    CocoLaunchNeeds needs = { .share = true, .hotplug = true, .size = sandbox->size };
    g_autoptr(GError) error = NULL;

    if (!step(sandbox, COCO_SANDBOX_EV_START)) {
        error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                            "cannot start sandbox %s, it is %s", coco_pod_id(sandbox->pod),
                            coco_fsm_state_name(&coco_sandbox_fsm, sandbox->state));
        func(error, user_data);
        return;
    }
    sandbox->starter = (Caller){ .func = func, .user_data = user_data };
    /* What its containers will need of the host is not known yet. */
    if (!coco_pod_vm_launch(vm, &needs, &error))
        coco_pod_vm_abandon(vm, error);
    coco_pod_vm_when_ready(vm, on_vm_ready, sandbox);
}

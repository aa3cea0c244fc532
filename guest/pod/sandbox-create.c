// SPDX-License-Identifier: Apache-2.0
/*
 * CreateSandbox: what the pod has before its containers.
 */
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/pod/sandbox-private.h"
#include "guest/system/modules.h"
#include "guest/system/paths.h"

#define HOSTNAME_MAX 64
#define DNS_LINES_MAX 64
#define DNS_LINE_MAX 4096 /* Kubernetes allows search lists of 2048 characters */
#define MODULES_MAX 64
#define MODULES_TIMEOUT_S 60

typedef struct {
    CocoGuestSandbox *sandbox;
    const Grpc__CreateSandboxRequest *request;
    CocoGuestContainerDone done;
    void *user_data;
} Creation;

static bool
check_request(const Grpc__CreateSandboxRequest *request, GError **error)
{
    bool good = strlen(request->hostname) <= HOSTNAME_MAX && request->n_dns <= DNS_LINES_MAX &&
                request->n_kernel_modules <= MODULES_MAX;

    for (size_t i = 0; good && i < request->n_dns; i++)
        good = strlen(request->dns[i]) <= DNS_LINE_MAX && strpbrk(request->dns[i], "\r\n") == NULL;
    if (!good)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "hostname, dns lines or kernel modules over their limits");
    return good && (*request->sandbox_id == '\0' ||
                    coco_paths_check_id("sandbox id", request->sandbox_id, error));
}

/* Kata: lines of the pod's resolv.conf, for whoever mounts the guest's file into a container. */
static bool
write_dns(const CocoGuestSandbox *sandbox, const Grpc__CreateSandboxRequest *request,
          GError **error)
{
    g_autofree char *path =
        g_build_filename(coco_layout_get_sandbox(sandbox->layout), "resolv.conf", NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) cause = NULL;

    if (request->n_dns == 0)
        return true;
    for (size_t i = 0; i < request->n_dns; i++)
        g_string_append_printf(text, "%s\n", request->dns[i]);
    if (!g_file_set_contents_full(path, text->str, (gssize) text->len, G_FILE_SET_CONTENTS_NONE,
                                  0644, &cause) ||
        !coco_namespaces_publish_resolv_conf(path, &cause)) {
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "write resolv.conf: %s",
                                 cause->message);
    }
    return true;
}

static char *
load_modules(void *data, GError **error)
{
    const Creation *creation = data;
    const Grpc__CreateSandboxRequest *request = creation->request;

    for (size_t i = 0; i < request->n_kernel_modules; i++) {
        const Grpc__KernelModule *module = request->kernel_modules[i];

        if (!coco_modules_load_named(module->name, module->parameters, module->n_parameters, error))
            return NULL;
    }
    return g_strdup("");
}

static bool
check_fields(const Grpc__CreateSandboxRequest *request, GError **error)
{
    if (*request->guest_hook_path == '\0')
        return true;
    return coco_ttrpc_failed(error, COCO_TTRPC_UNIMPLEMENTED,
                             "guest_hook_path: this agent runs no hooks");
}

static bool
finish_sandbox(CocoGuestSandbox *sandbox, const Grpc__CreateSandboxRequest *request, GError **error)
{
    if (!write_dns(sandbox, request, error))
        return false;
    sandbox->namespaces =
        coco_namespaces_new(coco_layout_get_namespaces(sandbox->layout), request->hostname, error);
    if (sandbox->namespaces == NULL)
        return false;
    sandbox->hostname = g_strdup(request->hostname);
    sandbox->shares_pid_namespace = request->sandbox_pidns;
    sandbox->id = g_strdup(request->sandbox_id);
    return true;
}

static void
on_sandbox_storages(const GError *error, void *user_data)
{
    Creation *creation = user_data;
    CocoGuestSandbox *sandbox = creation->sandbox;
    g_autoptr(GError) own_error = NULL;

    sandbox->is_creating = false;
    if (error == NULL)
        (void) finish_sandbox(sandbox, creation->request, &own_error);
    creation->done(error != NULL ? error : own_error, creation->user_data);
    g_free(creation);
}

/* A disk may be among the storages: drivers first. */
static void
on_modules_loaded(const char *text, const GError *error, void *user_data)
{
    Creation *creation = user_data;
    CocoGuestSandbox *sandbox = creation->sandbox;

    if (error != NULL)
        on_sandbox_storages(error, creation);
    else
        coco_storages_add_async(sandbox->storages, creation->request->storages,
                                creation->request->n_storages, on_sandbox_storages, creation);
}

static bool
begin_sandbox(CocoGuestSandbox *sandbox, const Grpc__CreateSandboxRequest *request, GError **error)
{
    if (sandbox->id == NULL && !sandbox->is_creating)
        return check_request(request, error) && check_fields(request, error);
    return coco_ttrpc_failed(error, COCO_TTRPC_ALREADY_EXISTS, "sandbox %s exists",
                             sandbox->id != NULL ? sandbox->id : "that is being made");
}

void
coco_guest_sandbox_create(CocoGuestSandbox *sandbox, const Grpc__CreateSandboxRequest *request,
                          CocoGuestContainerDone done, void *user_data)
{
    CocoChildWork work = { "load modules", MODULES_TIMEOUT_S, load_modules, NULL };
    g_autoptr(GError) error = NULL;
    Creation *creation;

    if (!begin_sandbox(sandbox, request, &error)) {
        done(error, user_data);
        return;
    }
    creation = g_new(Creation, 1);
    *creation = (Creation){ sandbox, request, done, user_data };
    sandbox->is_creating = true;
    work.data = creation;
    coco_child_queue_add(sandbox->modules, request->n_kernel_modules > 0 ? &work : NULL,
                         on_modules_loaded, creation);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Sets up the process (subreaper, signals, mount namespace, log), starts the VM while containerd
 * still connects, and runs the main loop.
 */
#include "shim/command/serve.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "shim/host/log-fifo.h"
#include "shim/sandbox/pod-sandbox.h"
#include "shim/sandbox/sandbox-service.h"
#include "shim/storage/share.h"
#include "shim/task/task-service.h"

/* containerd asks for what it wants as soon as it has the address. So the launcher, too, waits for
 * its request no longer. */
#define IDLE_MS 120000

static void
on_term(void *user_data)
{
    CocoPod **pod = user_data;

    if (*pod != NULL)
        coco_pod_shutdown(*pod, true);
}

/* The VM boots while containerd dials and sends Create; a failure is told there. A sandbox of CRI,
 * which has no spec, says with CreateSandbox what the VM gets. */
static void
start_vm_early(CocoPod *pod)
{
    g_autoptr(GError) error = NULL;

    if (access("config.json", F_OK) == 0 && !coco_pod_start_vm(pod, &error))
        g_warning("pod %s: %s", coco_pod_id(pod), error->message);
}

static bool
has_descriptors(GError **error)
{
    if (fcntl(COCO_SERVE_LISTEN_FD, F_SETFD, FD_CLOEXEC) == 0 &&
        fcntl(COCO_SERVE_LOCK_FD, F_SETFD, FD_CLOEXEC) == 0)
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "no listening socket and no lock: the server is started by `start`");
    return false;
}

bool
coco_serve(const CocoInvocation *invocation, GError **error)
{
    g_autoptr(CocoPodDir) dir = coco_pod_dir_new_for_socket(invocation->socket);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    CocoPod *pod = NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(CocoPodSandbox) sandbox = NULL;
    g_autoptr(CocoSignals) signals = coco_signals_new(on_term, &pod, error);
    g_autoptr(CocoTtrpcServer) server = NULL;
    CocoPodConfig config = {
        .id = invocation->id,
        .ns = invocation->ns,
        .config_path = invocation->config,
        .tee = invocation->tee,
        .ttrpc_address = invocation->ttrpc,
        .dir = dir,
        .signals = signals,
        .loop = loop,
        .idle_ms = IDLE_MS,
    };

    if (signals == NULL || !has_descriptors(error))
        return false;
    (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
    coco_log_fifo_install("log", invocation->debug);
    if (!coco_share_enter_namespace(&failure)) {
        /* Standard error is /dev/null: only the log is heard. */
        g_warning("pod %s: %s", invocation->id, failure->message);
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    server = coco_ttrpc_server_new();
    pod = coco_pod_new(&config);
    sandbox = coco_pod_sandbox_new(pod);
    for (size_t i = 0; i < COCO_N_TASK_SERVICES; i++)
        coco_ttrpc_server_add_service(server, &coco_task_services[i], pod);
    coco_ttrpc_server_add_service(server, &coco_sandbox_service, sandbox);
    coco_ttrpc_server_listen(server, COCO_SERVE_LISTEN_FD, true);
    start_vm_early(pod);
    g_main_loop_run(loop);
    g_clear_pointer(&server, coco_ttrpc_server_free);
    g_clear_pointer(&pod, coco_pod_free);
    return true;
}

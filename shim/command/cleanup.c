// SPDX-License-Identifier: Apache-2.0
/*
 * After a normal end there is no run directory any more and nothing to do; a shim that nobody told
 * to shut down cannot be reached any more, and is told here. After a crash the shim,
 * QEMU, virtiofsd, console logger and launcher are whatever still names the run directory. The
 * shim's mounts were in a mount namespace that ends with these processes.
 */
#include "shim/command/cleanup.h"

#include <stdio.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/proto/task-pb.h"
#include "shim/command/janitor.h"
#include "shim/host/pod-dir.h"
#include "shim/host/shim-socket.h"
#include "shim/host/timestamp.h"
#include "shim/pod/container-kind.h"

#define EXIT_KILLED 137      /* 128 + SIGKILL, as runc's shim reports a task it had to clean up */
#define KILL_TIMEOUT_MS 4000 /* containerd gives us 5 s */

static bool
print_response(pid_t vm_pid, GError **error)
{
    Containerd__Task__V2__DeleteResponse response = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
    Google__Protobuf__Timestamp exited_at;
    uint8_t buffer[128];
    size_t length;

    coco_timestamp_set(&exited_at, g_get_real_time());
    response.pid = (uint32_t) vm_pid;
    response.exit_status = EXIT_KILLED;
    response.exited_at = &exited_at;
    g_return_val_if_fail(protobuf_c_message_get_packed_size(&response.base) <= sizeof(buffer),
                         false);
    length = protobuf_c_message_pack(&response.base, buffer);
    if (fwrite(buffer, 1, length, stdout) != length || fflush(stdout) != 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "print the answer to delete");
        return false;
    }
    return true;
}

/* start.c wrote the file, in the bundle of the container that the shim was made for. */
static void
end_idle_shim(const char *bundle, const CocoPodDir *dir)
{
    g_autofree char *path = g_build_filename(bundle, "shim.pid", NULL);
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL))
        coco_pod_dir_end_shim(dir, (pid_t) g_ascii_strtoll(text, NULL, 10));
}

static bool
end_pod(const CocoPodDir *dir, pid_t *out_vm_pid, GError **error)
{
    if (coco_janitor_end(dir, KILL_TIMEOUT_MS, out_vm_pid, error))
        return true;
    coco_janitor_spawn(coco_pod_dir_base());
    return false;
}

bool
coco_cleanup(const CocoInvocation *invocation, GError **error)
{
    const char *bundle = invocation->bundle[0] != '\0' ? invocation->bundle : ".";
    CocoContainerKind kind = COCO_KIND_SINGLE;
    g_autofree char *pod_id = NULL;
    g_autoptr(CocoPodDir) dir = NULL;
    pid_t vm_pid = 0;

    /* A spec that cannot be read must not keep us from cleaning up: then the container is its own
     * pod. */
    if (!coco_container_kind_of_bundle(bundle, invocation->id, &kind, &pod_id, NULL))
        pod_id = g_strdup(invocation->id);
    dir = coco_pod_dir_new(invocation->address, invocation->ns, pod_id);
    if (access(coco_pod_dir_path(dir), F_OK) != 0)
        end_idle_shim(bundle, dir);
    /* One of several leaves the pod to the others, as long as there is a shim that serves them. */
    else if (((kind != COCO_KIND_MEMBER && kind != COCO_KIND_PEER) ||
              !coco_shim_socket_is_served(dir)) &&
             !end_pod(dir, &vm_pid, error))
        return false;
    return print_response(vm_pid, error);
}

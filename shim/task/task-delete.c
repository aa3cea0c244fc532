// SPDX-License-Identifier: Apache-2.0
/*
 * Delete: of an exec, or of a container with all that is its own on the host and, for the last one,
 * the VM.
 *
 * Output that is still on its way is given time to arrive, as runc's shim does: clients usually
 * wait for its end before they call Delete, so this is for the others. Then a logging driver is
 * ended, so that what it writes is written when Delete is answered.
 */
#include "shim/host/timestamp.h"
#include "shim/storage/share.h"
#include "shim/task/task-op.h"
#include "shim/task/task-service.h"

#define DRAIN_TIMEOUT_MS 10000        /* nobody has read anything of it */
#define DRAIN_MAX_ROUNDS 6            /* so often a slow reader gets that time */
#define DRAIN_MAX_BYTES (1024 * 1024) /* more than a pipe held when the process ended */

typedef struct {
    unsigned int drain_source;
    unsigned int drain_rounds;
    uint64_t moved_first; /* output before this Delete */
    uint64_t moved;       /* and before this round */
} Delete;

static void
reply_deleted(CocoTaskOp *op)
{
    Containerd__Task__V2__DeleteResponse response = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
    Google__Protobuf__Timestamp exited_at;

    coco_timestamp_set(&exited_at, coco_process_exited_at(op->process));
    response.pid = coco_task_op_pid(op);
    response.exit_status = coco_process_exit_status(op->process);
    response.exited_at = &exited_at;
    coco_task_op_reply(op, &response.base);
}

static void
on_removed(void *user_data)
{
    CocoTaskOp *op = user_data;
    Containerd__Events__TaskDelete event = CONTAINERD__EVENTS__TASK_DELETE__INIT;
    Google__Protobuf__Timestamp exited_at;

    coco_timestamp_set(&exited_at, coco_process_exited_at(op->process));
    event.container_id = (char *) coco_container_id(op->container);
    event.pid = coco_task_op_pid(op);
    event.exit_status = coco_process_exit_status(op->process);
    event.exited_at = &exited_at;
    coco_pod_publish(op->pod, "/tasks/delete", &event.base);
    reply_deleted(op);
}

static void
remove_on_host(CocoTaskOp *op)
{
    coco_pod_remove(op->pod, op->container, on_removed, op);
}

static void
remove_container(CocoTaskOp *op)
{
    /* A container that never got to the guest, or a dead VM, has nothing to remove there. */
    if (coco_container_is_created(op->container) && coco_pod_vm_is_ready(coco_pod_vm(op->pod)))
        coco_task_op_remove_in_guest(op, remove_on_host);
    else
        remove_on_host(op);
}

/* Forgets the exec in the guest as well: there it is a process of the container that ended. */
static void
remove_exec(CocoTaskOp *op)
{
    coco_process_stop_stdio(op->process);
    coco_container_remove_exec(op->container, coco_process_exec_id(op->process));
    reply_deleted(op);
}

static void
on_driver_ended(void *user_data)
{
    CocoTaskOp *op = user_data;

    if (coco_process_exec_id(op->process)[0] != '\0')
        remove_exec(op);
    else
        remove_container(op);
}

static void
on_drained(CocoProcess *process, void *user_data)
{
    CocoTaskOp *op = user_data;
    Delete *delete = op->extra;

    g_clear_handle_id(&delete->drain_source, g_source_remove);
    coco_stdio_end_driver(coco_process_stdio(process), on_driver_ended, op);
}

static gboolean
on_drain_timeout(void *user_data)
{
    CocoTaskOp *op = user_data;
    Delete *delete = op->extra;
    uint64_t moved = coco_stdio_moved(coco_process_stdio(op->process));

    if (moved != delete->moved && moved - delete->moved_first < DRAIN_MAX_BYTES &&
        ++delete->drain_rounds < DRAIN_MAX_ROUNDS) {
        delete->moved = moved;
        return G_SOURCE_CONTINUE;
    }
    delete->drain_source = 0;
    g_warning("delete of %s/%s: its output was not read within %d ms",
              coco_container_id(op->container), coco_process_exec_id(op->process),
              DRAIN_TIMEOUT_MS);
    coco_process_stop_stdio(op->process); /* reports drained */
    return G_SOURCE_REMOVE;
}

static void
refuse_not_found(CocoTaskOp *op, const char *message)
{
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, message);

    coco_task_op_fail(op, error);
}

void
coco_task_delete(CocoTtrpcCall *call, void *pod)
{
    const Containerd__Task__V2__DeleteRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    CocoTaskOp *op = coco_task_op_find(pod, call, request->id, request->exec_id);
    CocoProcessState state;
    Delete *delete;

    if (op == NULL)
        return;
    state = coco_process_state(op->process);
    if (state == COCO_PROCESS_RUNNING || state == COCO_PROCESS_STARTING) {
        coco_task_op_refuse(op, "delete", "process");
        return;
    }
    /* containerd gives up on a Create by deleting what it has asked for; runc's shim does not know
     * it yet by then. */
    if (request->exec_id[0] == '\0' && !coco_container_is_created(op->container)) {
        coco_container_doom(op->container);
        refuse_not_found(op, "container not created: not found");
        return;
    }
    if (!coco_process_begin_delete(op->process)) {
        refuse_not_found(op, "the process is being deleted: not found");
        return;
    }
    delete = g_new0(Delete, 1);
    delete->moved_first = delete->moved = coco_stdio_moved(coco_process_stdio(op->process));
    op->extra = delete;
    /* A process that never ran has no output; its streams would stay open for ever. */
    if (state == COCO_PROCESS_CREATED)
        coco_process_stop_stdio(op->process);
    else if (!coco_stdio_is_drained(coco_process_stdio(op->process)))
        delete->drain_source = g_timeout_add(DRAIN_TIMEOUT_MS, on_drain_timeout, op);
    coco_process_when_drained(op->process, on_drained, op);
}

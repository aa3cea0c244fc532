// SPDX-License-Identifier: Apache-2.0
/*
 * Handlers for standard streams and terminals.
 */
#include "guest-protocol/proto/agent-pb.h"
#include "guest/agent/service-private.h"

static void
on_written(const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    const Grpc__WriteStreamRequest *request =
        (const Grpc__WriteStreamRequest *) coco_ttrpc_call_get_request(call);
    Grpc__WriteStreamResponse response = GRPC__WRITE_STREAM_RESPONSE__INIT;

    response.len = (uint32_t) request->data.len;
    if (error != NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_ttrpc_call_reply(call, &response.base);
}

void
coco_handle_write_stdin(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__WriteStreamRequest *request =
        (const Grpc__WriteStreamRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoGuestProcess *process = coco_guest_sandbox_find_process(
        service->sandbox, request->container_id, request->exec_id, &error);

    if (process == NULL) {
        coco_ttrpc_call_fail_error(call, error);
    } else if (coco_guest_process_get_input(process) == NULL) {
        coco_ttrpc_call_fail(call, COCO_TTRPC_FAILED_PRECONDITION, "process has no stdin");
    } else if (request->data.len == 0) {
        /* Kata: writing nothing is closing. */
        coco_guest_process_close_input(process);
        on_written(NULL, call);
    } else {
        coco_input_write(coco_guest_process_get_input(process), request->data.data,
                         request->data.len, coco_ttrpc_call_get_cancellable(call), on_written,
                         call);
    }
}

static void
on_read(const uint8_t *data, size_t length, const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    Grpc__ReadStreamResponse response = GRPC__READ_STREAM_RESPONSE__INIT;

    response.data.data = (uint8_t *) (uintptr_t) data;
    response.data.len = length;
    if (error != NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_ttrpc_call_reply(call, &response.base);
}

static void
read_stream(CocoTtrpcCall *call, const CocoService *service, bool standard_error)
{
    const Grpc__ReadStreamRequest *request =
        (const Grpc__ReadStreamRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoGuestProcess *process = coco_guest_sandbox_find_process(
        service->sandbox, request->container_id, request->exec_id, &error);
    CocoOutput *output =
        process != NULL ? coco_guest_process_get_output(process, standard_error) : NULL;

    if (process == NULL)
        coco_ttrpc_call_fail_error(call, error);
    else if (output == NULL && standard_error && coco_guest_process_has_terminal(process))
        on_read(NULL, 0, NULL, call); /* a terminal has one stream */
    else if (output == NULL)
        coco_ttrpc_call_fail(call, COCO_TTRPC_FAILED_PRECONDITION, "process has no output");
    else
        coco_output_read(output, request->len, coco_ttrpc_call_get_cancellable(call), on_read,
                         call);
}

void
coco_handle_read_stdout(CocoTtrpcCall *call, void *user_data)
{
    read_stream(call, user_data, false);
}

void
coco_handle_read_stderr(CocoTtrpcCall *call, void *user_data)
{
    read_stream(call, user_data, true);
}

void
coco_handle_close_stdin(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__CloseStdinRequest *request =
        (const Grpc__CloseStdinRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoGuestProcess *process = coco_guest_sandbox_find_process(
        service->sandbox, request->container_id, request->exec_id, &error);

    if (process != NULL)
        coco_guest_process_close_input(process);
    coco_service_finish(error, call);
}

void
coco_handle_tty_win_resize(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Grpc__TtyWinResizeRequest *request =
        (const Grpc__TtyWinResizeRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoGuestProcess *process = coco_guest_sandbox_find_process(
        service->sandbox, request->container_id, request->exec_id, &error);

    if (process != NULL)
        (void) coco_guest_process_resize(process, request->row, request->column, &error);
    coco_service_finish(error, call);
}

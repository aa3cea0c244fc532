// SPDX-License-Identifier: Apache-2.0
/*
 * Handlers for forwarded connections.
 */
#include "guest-protocol/proto/agent-pb.h"
#include "guest/agent/service-private.h"

static void
on_connected(uint64_t connection, const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    Coco__ForwardConnectResponse response = COCO__FORWARD_CONNECT_RESPONSE__INIT;

    response.connection = connection;
    if (error != NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_ttrpc_call_reply(call, &response.base);
}

void
coco_handle_forward_connect(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Coco__ForwardConnectRequest *request =
        (const Coco__ForwardConnectRequest *) coco_ttrpc_call_get_request(call);

    coco_guest_forwards_connect(service->forwards, request->port,
                                coco_ttrpc_call_get_cancellable(call), on_connected, call);
}

static void
on_read(const uint8_t *data, size_t length, const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    Coco__ForwardReadResponse response = COCO__FORWARD_READ_RESPONSE__INIT;

    response.data.data = (uint8_t *) (uintptr_t) data;
    response.data.len = length;
    if (error != NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_ttrpc_call_reply(call, &response.base);
}

void
coco_handle_forward_read(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Coco__ForwardReadRequest *request =
        (const Coco__ForwardReadRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoOutput *output =
        coco_guest_forwards_get_output(service->forwards, request->connection, &error);

    if (output == NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_output_read(output, request->len, coco_ttrpc_call_get_cancellable(call), on_read,
                         call);
}

void
coco_handle_forward_write(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Coco__ForwardWriteRequest *request =
        (const Coco__ForwardWriteRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;
    CocoInput *input =
        coco_guest_forwards_get_input(service->forwards, request->connection, &error);

    if (input == NULL)
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_input_write(input, request->data.data, request->data.len,
                         coco_ttrpc_call_get_cancellable(call), coco_service_finish, call);
}

void
coco_handle_forward_close(CocoTtrpcCall *call, void *user_data)
{
    const CocoService *service = user_data;
    const Coco__ForwardCloseRequest *request =
        (const Coco__ForwardCloseRequest *) coco_ttrpc_call_get_request(call);

    coco_guest_forwards_close(service->forwards, request->connection, request->half);
    coco_ttrpc_call_reply(call, NULL);
}

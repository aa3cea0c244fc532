// SPDX-License-Identifier: Apache-2.0
/*
 * test.Echo.
 */
#include "tests/unit/guest-protocol/echo-service.h"

#include "guest-protocol/proto/agent-pb.h"

static void
on_echo(CocoTtrpcCall *call, void *user_data)
{
    EchoService *self = user_data;
    const Grpc__WriteStreamRequest *request = (const void *) coco_ttrpc_call_get_request(call);
    Grpc__ReadStreamResponse response = GRPC__READ_STREAM_RESPONSE__INIT;

    self->n_calls++;
    response.data = request->data;
    coco_ttrpc_call_reply(call, &response.base);
}

static void
on_park(CocoTtrpcCall *call, void *user_data)
{
    EchoService *self = user_data;

    self->n_calls++;
    g_ptr_array_add(self->parked, call);
}

static void
on_fail(CocoTtrpcCall *call, void *user_data)
{
    EchoService *self = user_data;
    const Grpc__StartContainerRequest *request = (const void *) coco_ttrpc_call_get_request(call);

    self->n_calls++;
    coco_ttrpc_call_fail(call, COCO_TTRPC_NOT_FOUND, "%s", request->container_id);
}

static void
on_blob(CocoTtrpcCall *call, void *user_data)
{
    EchoService *self = user_data;
    const Grpc__ReadStreamRequest *request = (const void *) coco_ttrpc_call_get_request(call);
    Grpc__ReadStreamResponse response = GRPC__READ_STREAM_RESPONSE__INIT;
    g_autofree uint8_t *data = g_malloc0(request->len);

    self->n_calls++;
    response.data.data = data;
    response.data.len = request->len;
    coco_ttrpc_call_reply(call, &response.base);
}

static const CocoTtrpcMethod methods[] = {
    { "Echo", &grpc__write_stream_request__descriptor, on_echo },
    { "Park", &grpc__start_container_request__descriptor, on_park },
    { "Fail", &grpc__start_container_request__descriptor, on_fail },
    { "Blob", &grpc__read_stream_request__descriptor, on_blob },
    { "None", &grpc__start_container_request__descriptor, NULL },
};

const CocoTtrpcService echo_service = { "test.Echo", methods, G_N_ELEMENTS(methods) };

// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the frame decoder and ttrpc's two messages. The first byte says in pieces of what size the
 * rest arrives; the frames must be the same as when it arrives whole. What decodes must decode the
 * same after encoding.
 */
#include <string.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/ttrpc-frame.h"
#include "guest-protocol/ttrpc/ttrpc-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was seen, as one number; order counts. */
static uint64_t
mix(uint64_t seen, uint64_t value)
{
    return (seen ^ value) * 1099511628211u;
}

static void
check_request(const CocoTtrpcFrame *frame)
{
    g_auto(CocoTtrpcRequest) request = { 0 };
    g_auto(CocoTtrpcRequest) again = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *bytes = NULL;
    Grpc__ReadStreamResponse payload = GRPC__READ_STREAM_RESPONSE__INIT;
    size_t length;
    bool good = coco_ttrpc_request_decode(frame->payload, frame->length, &request, &error);

    g_assert(good == (error == NULL));
    if (!good)
        return;
    payload.data.data = (uint8_t *) request.payload;
    payload.data.len = request.payload_length;
    bytes = coco_ttrpc_request_encode(frame->stream_id, request.service, request.method,
                                      request.timeout_nano, request.metadata, &payload.base,
                                      &length, NULL);
    if (bytes == NULL)
        return; /* at the limit, the payload's own tag is too much */
    g_assert(coco_ttrpc_request_decode(bytes + COCO_TTRPC_HEADER_SIZE,
                                       length - COCO_TTRPC_HEADER_SIZE, &again, NULL));
    g_assert_cmpstr(request.service, ==, again.service);
    g_assert_cmpstr(request.method, ==, again.method);
    g_assert_cmpint(request.timeout_nano, ==, again.timeout_nano);
    g_assert((request.metadata != NULL ? request.metadata->len : 0) ==
             (again.metadata != NULL ? again.metadata->len : 0));
}

static void
check_response(const CocoTtrpcFrame *frame)
{
    g_auto(CocoTtrpcResponse) response = { 0 };
    g_auto(CocoTtrpcResponse) again = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *bytes = NULL;
    size_t length;
    bool good = coco_ttrpc_response_decode(frame->payload, frame->length, &response, &error);

    g_assert(good == (error == NULL));
    if (!good || response.text == NULL)
        return;
    g_assert(g_utf8_validate(response.text, -1, NULL));
    bytes = coco_ttrpc_status_encode(1, (CocoTtrpcCode) response.code, response.text, &length);
    g_assert(coco_ttrpc_response_decode(bytes + COCO_TTRPC_HEADER_SIZE,
                                        length - COCO_TTRPC_HEADER_SIZE, &again, NULL));
    g_assert(again.code == response.code);
    g_assert_cmpstr(again.text, ==, response.text);
}

static uint64_t
decode(const uint8_t *data, size_t size, size_t piece)
{
    g_autoptr(CocoTtrpcDecoder) decoder = coco_ttrpc_decoder_new();
    uint64_t seen = 14695981039346656037u;

    while (size > 0) {
        CocoTtrpcFrame frame;
        size_t space_size;
        uint8_t *space = coco_ttrpc_decoder_get_space(decoder, &space_size);
        size_t n = MIN(MIN(piece, size), space_size);

        memcpy(space, data, n);
        coco_ttrpc_decoder_fill(decoder, n);
        data += n;
        size -= n;
        while (coco_ttrpc_decoder_next(decoder, &frame)) {
            seen = mix(seen, frame.stream_id);
            seen = mix(seen, (uint64_t) frame.length << 16 | frame.type << 8 | frame.flags);
            if (frame.oversize)
                continue;
            for (uint32_t i = 0; i < frame.length; i++)
                seen = mix(seen, frame.payload[i]);
            check_request(&frame);
            check_response(&frame);
        }
        g_assert(coco_ttrpc_decoder_get_capacity(decoder) <=
                 2 * (COCO_TTRPC_MAX_PAYLOAD + COCO_TTRPC_READ_CHUNK));
    }
    return seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    g_assert(decode(data + 1, size - 1, (size_t) data[0] + 1) ==
             decode(data + 1, size - 1, SIZE_MAX));
    return 0;
}

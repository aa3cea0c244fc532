// SPDX-License-Identifier: Apache-2.0
/*
 * Unpacking with bounds, and the wire format underneath.
 */
#include "guest-protocol/proto/pb.h"

#include <string.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/pb-wire.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest-protocol/proto/wire-limits.h"

static void
refused(const ProtobufCMessageDescriptor *type, const char *bytes, size_t length, const char *text)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_pb_unpack(type, (const uint8_t *) bytes, length, &error));
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
    cr_assert_str_eq(error->message, text);
}

#define REFUSED(type, bytes, text) refused(&type##__descriptor, bytes, sizeof bytes - 1, text)

Test(pb, nothing_is_an_empty_message)
{
    g_autoptr(ProtobufCMessage) message =
        coco_pb_unpack(&grpc__check_request__descriptor, NULL, 0, NULL);

    cr_assert_not_null(message);
}

Test(pb, strings_are_utf8_without_nul_at_any_depth)
{
    REFUSED(grpc__check_request, "\x0a\x01\xff", "grpc.CheckRequest.service: not UTF-8 text");
    REFUSED(grpc__check_request,
            "\x0a\x02"
            "a\0",
            "grpc.CheckRequest.service: not UTF-8 text");
    REFUSED(grpc__create_container_request, "\x32\x05\x12\x03\x22\x01\xff",
            "grpc.Process.Args: not UTF-8 text");
}

Test(pb, bytes_may_be_anything)
{
    static const uint8_t bytes[] = "\x1a\x03\xff\x00\xfe";
    g_autoptr(Grpc__WriteStreamRequest) message = (Grpc__WriteStreamRequest *) coco_pb_unpack(
        &grpc__write_stream_request__descriptor, bytes, sizeof bytes - 1, NULL);

    cr_assert_eq(message->data.len, 3);
}

Test(pb, what_is_cut_off_is_refused)
{
    REFUSED(grpc__check_request, "\x0a", "grpc.CheckRequest: does not decode");
    REFUSED(grpc__check_request,
            "\x0a\x05"
            "a",
            "grpc.CheckRequest: does not decode");
    REFUSED(grpc__check_request, "\x02\x00", "grpc.CheckRequest: does not decode");
    REFUSED(grpc__check_request, "\x0b\x0c", "grpc.CheckRequest: does not decode");
    REFUSED(grpc__check_request, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "grpc.CheckRequest: does not decode");
}

/* Two bytes each on the wire, a pointer, a string and the parser's own note of it in memory. */
Test(pb, memory_is_bounded)
{
    size_t length = 4u << 20;
    g_autofree char *bytes = g_malloc(length);
    g_autoptr(GError) error = NULL;

    for (size_t i = 0; i < length; i += 2)
        memcpy(bytes + i, "\x12\x00", 2); /* CreateSandboxRequest.dns */
    cr_assert_null(coco_pb_unpack(&grpc__create_sandbox_request__descriptor,
                                  (const uint8_t *) bytes, length, &error));
    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED));
    cr_assert_str_eq(error->message, "grpc.CreateSandboxRequest: takes too much memory");
}

Test(pb, varints)
{
    static const uint64_t values[] = { 0, 1, 127, 128, 300, UINT32_MAX, INT64_MAX, UINT64_MAX };
    static const uint8_t too_much[] = { 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2 };
    CocoPbReader over = { too_much, too_much + sizeof too_much };
    CocoPbField field;

    for (unsigned int i = 0; i < G_N_ELEMENTS(values); i++) {
        uint8_t bytes[11];
        uint8_t *end = coco_pb_put_varint(coco_pb_put_tag(bytes, 1, COCO_PB_VARINT), values[i]);
        CocoPbReader reader = { bytes, end };

        cr_assert_eq((size_t) (end - bytes), 1 + coco_pb_varint_size(values[i]));
        cr_assert_eq(coco_pb_reader_next(&reader, &field), COCO_PB_FIELD);
        cr_assert_eq(field.value, values[i]);
        cr_assert_eq(coco_pb_reader_next(&reader, &field), COCO_PB_END);
    }
    cr_assert_eq(coco_pb_reader_next(&over, &field), COCO_PB_BAD);
}

/* Zero of an `optional` is there, and stays there. */
Test(pb, a_field_that_can_be_absent_keeps_its_zero)
{
    static const uint8_t bytes[] = { 0x08, 0x00 };
    g_autoptr(Grpc__MemAgentMemcgConfig) message = (Grpc__MemAgentMemcgConfig *) coco_pb_unpack(
        &grpc__mem_agent_memcg_config__descriptor, bytes, sizeof bytes, NULL);
    uint8_t again[2];

    cr_assert_eq(message->has_disabled_case, GRPC__MEM_AGENT_MEMCG_CONFIG__HAS_DISABLED_DISABLED);
    cr_assert_eq(message->has_swap_case, GRPC__MEM_AGENT_MEMCG_CONFIG__HAS_SWAP__NOT_SET);
    cr_assert_eq(protobuf_c_message_pack(&message->base, again), 2);
    cr_assert_arr_eq(again, bytes, 2);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Unpacking what a peer sent. protobuf-c by itself takes any bytes as a string (one with a NUL
 * inside would look shorter to C than to the sender) and any amount of memory; other languages'
 * protobuf refuse bad UTF-8.
 */
#include "guest-protocol/proto/pb.h"

#include <stdlib.h>

#include "guest-protocol/proto/pb-wire.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest-protocol/proto/wire-limits.h"

static bool
bad(GError **error, const ProtobufCMessageDescriptor *type, const char *field, const char *cause)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "%s%s%s: %s", type->name,
                             field != NULL ? "." : "", field != NULL ? field : "", cause);
}

static bool check_fields(const ProtobufCMessageDescriptor *type, CocoPbReader reader,
                         unsigned int depth, GError **error);

static bool
check_field(const ProtobufCMessageDescriptor *type, const CocoPbField *field, unsigned int depth,
            GError **error)
{
    const ProtobufCFieldDescriptor *d;

    if (field->wire_type != COCO_PB_BYTES)
        return true;
    d = protobuf_c_message_descriptor_get_field(type, field->number);
    if (d == NULL)
        return true;
    if (d->type == PROTOBUF_C_TYPE_STRING) {
        if (!g_utf8_validate_len((const char *) field->data, field->length, NULL))
            return bad(error, type, d->name, "not UTF-8 text");
    } else if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
        CocoPbReader inner = { field->data, field->data + field->length };

        return check_fields(d->descriptor, inner, depth + 1, error);
    }
    return true;
}

static bool
check_fields(const ProtobufCMessageDescriptor *type, CocoPbReader reader, unsigned int depth,
             GError **error)
{
    CocoPbField field;
    CocoPbStep step;

    if (depth > COCO_PB_MAX_DEPTH)
        return bad(error, type, NULL, "nested too deeply");
    while ((step = coco_pb_reader_next(&reader, &field)) == COCO_PB_FIELD) {
        if (!check_field(type, &field, depth, error))
            return false;
    }
    return step == COCO_PB_END || bad(error, type, NULL, "does not decode");
}

bool
coco_pb_check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length,
              GError **error)
{
    CocoPbReader reader = { data, length > 0 ? data + length : data };

    return check_fields(type, reader, 0, error);
}

typedef struct {
    size_t *left;
    bool exhausted;
} Budget;

static void *
budget_alloc(void *allocator_data, size_t size)
{
    Budget *budget = allocator_data;

    budget->exhausted = budget->exhausted || size > *budget->left;
    if (budget->exhausted)
        return NULL;
    *budget->left -= size;
    return malloc(size);
}

static void
budget_free(void *allocator_data, void *pointer)
{
    free(pointer);
}

ProtobufCMessage *
coco_pb_unpack_within(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length,
                      size_t *left, GError **error)
{
    static const uint8_t nothing[1];
    Budget budget = { left, false };
    ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
    ProtobufCMessage *message;

    if (length == 0)
        data = nothing; /* protobuf-c does arithmetic on it */
    if (!coco_pb_check(type, data, length, error))
        return NULL;
    message = protobuf_c_message_unpack(type, &allocator, length, data);
    if (message == NULL && budget.exhausted)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                    "%s: takes too much memory", type->name);
    else if (message == NULL)
        bad(error, type, NULL, "does not decode");
    return message;
}

ProtobufCMessage *
coco_pb_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length,
               GError **error)
{
    size_t left = COCO_PB_MAX_UNPACKED;

    return coco_pb_unpack_within(type, data, length, &left, error);
}

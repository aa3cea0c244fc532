// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and writing protobuf's wire format. Groups (wire types 3 and 4) are refused: proto3 has
 * none.
 */
#include "guest-protocol/proto/pb-wire.h"

#include <string.h>

#define MAX_VARINT_BYTES 10
#define MAX_FIELD_NUMBER ((1u << 29) - 1)

static bool
read_varint(CocoPbReader *reader, uint64_t *out_value)
{
    uint64_t value = 0;

    for (unsigned int i = 0; i < MAX_VARINT_BYTES && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;

        /* The tenth byte holds the 64th bit only. */
        if (i == MAX_VARINT_BYTES - 1 && byte > 1)
            return false;
        value |= (uint64_t) (byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *out_value = value;
            return true;
        }
    }
    return false;
}

static bool
take(CocoPbReader *reader, uint64_t length, CocoPbField *field)
{
    if (length > (size_t) (reader->end - reader->at))
        return false;
    field->data = reader->at;
    field->length = (size_t) length;
    reader->at += length;
    return true;
}

static bool
read_value(CocoPbReader *reader, CocoPbField *field)
{
    uint64_t length;

    switch (field->wire_type) {
    case COCO_PB_VARINT:
        return read_varint(reader, &field->value);
    case COCO_PB_FIXED64:
        return take(reader, 8, field);
    case COCO_PB_BYTES:
        return read_varint(reader, &length) && take(reader, length, field);
    case COCO_PB_FIXED32:
        return take(reader, 4, field);
    }
    return false;
}

CocoPbStep
coco_pb_reader_next(CocoPbReader *reader, CocoPbField *out_field)
{
    CocoPbField field = { 0 };
    uint64_t tag;

    if (reader->at == reader->end)
        return COCO_PB_END;
    if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > MAX_FIELD_NUMBER)
        return COCO_PB_BAD;
    field.number = (uint32_t) (tag >> 3);
    field.wire_type = (CocoPbWireType) (tag & 7);
    if (!read_value(reader, &field))
        return COCO_PB_BAD;
    *out_field = field;
    return COCO_PB_FIELD;
}

size_t
coco_pb_varint_size(uint64_t value)
{
    size_t size = 1;

    while (value >>= 7)
        size++;
    return size;
}

uint8_t *
coco_pb_put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t) (value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t) value;
    return at;
}

uint8_t *
coco_pb_put_tag(uint8_t *at, uint32_t number, CocoPbWireType wire_type)
{
    *at++ = (uint8_t) (number << 3 | (uint32_t) wire_type);
    return at;
}

uint8_t *
coco_pb_put_bytes(uint8_t *at, uint32_t number, const void *data, size_t length)
{
    at = coco_pb_put_tag(at, number, COCO_PB_BYTES);
    at = coco_pb_put_varint(at, length);
    if (length > 0)
        memcpy(at, data, length);
    return at + length;
}

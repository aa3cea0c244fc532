// SPDX-License-Identifier: Apache-2.0
/*
 * Protobuf's wire format, field by field and without copying: what ttrpc's own two messages are
 * read with (their payload stays where it is in the receive buffer), and what messages are checked
 * with before protobuf-c unpacks them.
 *
 * Ownership: fields point into the bytes being read.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} CocoPbReader;

typedef enum {
    COCO_PB_END,
    COCO_PB_FIELD,
    COCO_PB_BAD, /* cut off, an overlong number, or a group: the bytes are no message */
} CocoPbStep;

typedef enum {
    COCO_PB_VARINT = 0,
    COCO_PB_FIXED64 = 1,
    COCO_PB_BYTES = 2,
    COCO_PB_FIXED32 = 5,
} CocoPbWireType;

typedef struct {
    uint32_t number;
    CocoPbWireType wire_type;
    uint64_t value;      /* VARINT only */
    const uint8_t *data; /* BYTES, FIXED64, FIXED32 */
    size_t length;
} CocoPbField;

/* out_field is written when FIELD is returned. */
CocoPbStep coco_pb_reader_next(CocoPbReader *reader, CocoPbField *out_field);

/* Bytes that value takes as a varint: 1 to 10. */
size_t coco_pb_varint_size(uint64_t value);

/* Write at `at`, which has room; the place after it is returned. Field numbers are below 16. */
uint8_t *coco_pb_put_varint(uint8_t *at, uint64_t value);
uint8_t *coco_pb_put_tag(uint8_t *at, uint32_t number, CocoPbWireType wire_type);
uint8_t *coco_pb_put_bytes(uint8_t *at, uint32_t number, const void *data, size_t length);

// SPDX-License-Identifier: Apache-2.0
/*
 * The frame decoder: one buffer, [start, end) is what has come and was not taken yet.
 *
 *     data           start            end          capacity
 *      |  taken frames |  frames, part  |   space    |
 *
 * Space is never promised for more than has arrived already (or one chunk), so a header that
 * announces 4 MiB costs the peer 4 MiB to make us hold them. What is left of a frame moves to the
 * front only when space runs out: it then is shorter than what the last read brought, or nothing
 * moves because it starts at the front already. Either way the copying is linear in what was read.
 */
#include "guest-protocol/ttrpc/ttrpc-frame.h"

#include <string.h>

#include "guest-protocol/proto/wire-limits.h"

struct _CocoTtrpcDecoder {
    uint8_t *data;
    size_t capacity;
    size_t start;
    size_t end;
    size_t skip;             /* bytes still to throw away of an oversize frame */
    CocoTtrpcFrame oversize; /* its header; reported when skip is down to 0 */
};

static uint32_t
get_u32(const uint8_t *at)
{
    return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

static void
put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t) (value >> 24);
    at[1] = (uint8_t) (value >> 16);
    at[2] = (uint8_t) (value >> 8);
    at[3] = (uint8_t) value;
}

CocoTtrpcDecoder *
coco_ttrpc_decoder_new(void)
{
    return g_new0(CocoTtrpcDecoder, 1);
}

void
coco_ttrpc_decoder_free(CocoTtrpcDecoder *decoder)
{
    if (decoder == NULL)
        return;
    g_free(decoder->data);
    g_free(decoder);
}

static size_t
held(const CocoTtrpcDecoder *decoder)
{
    return decoder->end - decoder->start;
}

/* Bytes missing of the frame (or header) that has begun; at least 1. */
static size_t
missing(const CocoTtrpcDecoder *decoder)
{
    size_t have = held(decoder);
    size_t whole = COCO_TTRPC_HEADER_SIZE;

    if (have >= COCO_TTRPC_HEADER_SIZE)
        whole += get_u32(decoder->data + decoder->start);
    return whole > have ? whole - have : 1;
}

/* Makes room for the rest of the frame, but for no more than doubles what is held, and for a chunk
 * at least so that many small frames come in one read. */
static void
grow(CocoTtrpcDecoder *decoder)
{
    size_t have = held(decoder);
    size_t want = CLAMP(missing(decoder), COCO_TTRPC_READ_CHUNK, MAX(have, COCO_TTRPC_READ_CHUNK));

    if (decoder->start > 0)
        memmove(decoder->data, decoder->data + decoder->start, have);
    decoder->start = 0;
    decoder->end = have;
    if (decoder->capacity - have < want) {
        decoder->capacity = have + want;
        decoder->data = g_realloc(decoder->data, decoder->capacity);
    }
}

uint8_t *
coco_ttrpc_decoder_get_space(CocoTtrpcDecoder *decoder, size_t *out_size)
{
    /* Less than a quarter of a chunk is worth a read only if it completes the frame: a peer that
     * sends byte by byte must not make us move the buffer for each. */
    if (decoder->capacity - decoder->end < MIN(missing(decoder), COCO_TTRPC_READ_CHUNK / 4))
        grow(decoder);
    *out_size = decoder->capacity - decoder->end;
    return decoder->data + decoder->end;
}

/* Throws away what it can of an oversize frame; true when all of it is gone. */
static bool
skip(CocoTtrpcDecoder *decoder)
{
    size_t n = MIN(decoder->skip, held(decoder));

    decoder->start += n;
    decoder->skip -= n;
    return decoder->skip == 0;
}

void
coco_ttrpc_decoder_fill(CocoTtrpcDecoder *decoder, size_t n)
{
    g_assert(n <= decoder->capacity - decoder->end);
    decoder->end += n;
}

/* Nothing is held: an idle connection keeps no buffer. */
static bool
release(CocoTtrpcDecoder *decoder)
{
    if (held(decoder) == 0) {
        g_clear_pointer(&decoder->data, g_free);
        decoder->capacity = decoder->start = decoder->end = 0;
    }
    return false;
}

static bool
next_oversize(CocoTtrpcDecoder *decoder, CocoTtrpcFrame *out_frame)
{
    if (!skip(decoder))
        return release(decoder);
    *out_frame = decoder->oversize;
    decoder->oversize.oversize = false;
    return true;
}

bool
coco_ttrpc_decoder_next(CocoTtrpcDecoder *decoder, CocoTtrpcFrame *out_frame)
{
    const uint8_t *header;
    CocoTtrpcFrame frame = { 0 };

    if (decoder->oversize.oversize)
        return next_oversize(decoder, out_frame);
    if (held(decoder) < COCO_TTRPC_HEADER_SIZE)
        return release(decoder);

    header = decoder->data + decoder->start;
    frame.length = get_u32(header);
    frame.stream_id = get_u32(header + 4);
    frame.type = header[8];
    frame.flags = header[9];
    if (frame.length > COCO_TTRPC_MAX_PAYLOAD) {
        decoder->start += COCO_TTRPC_HEADER_SIZE;
        decoder->skip = frame.length;
        frame.oversize = true;
        decoder->oversize = frame;
        return next_oversize(decoder, out_frame);
    }
    if (held(decoder) - COCO_TTRPC_HEADER_SIZE < frame.length)
        return false;
    frame.payload = header + COCO_TTRPC_HEADER_SIZE;
    decoder->start += COCO_TTRPC_HEADER_SIZE + frame.length;
    *out_frame = frame;
    return true;
}

size_t
coco_ttrpc_decoder_get_capacity(const CocoTtrpcDecoder *decoder)
{
    return decoder->capacity;
}

void
coco_ttrpc_put_header(uint8_t *out, uint32_t length, uint32_t stream_id, CocoTtrpcFrameType type,
                      uint8_t flags)
{
    put_u32(out, length);
    put_u32(out + 4, stream_id);
    out[8] = (uint8_t) type;
    out[9] = flags;
}

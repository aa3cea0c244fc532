// SPDX-License-Identifier: Apache-2.0
/*
 * ttrpc frames: bytes in, frames out. The caller reads into the decoder's own buffer, so that a
 * payload is copied once, by the kernel.
 *
 *     buffer = coco_ttrpc_decoder_get_space(decoder, &size);
 *     n = read(fd, buffer, size);
 *     coco_ttrpc_decoder_fill(decoder, n);
 *     while (coco_ttrpc_decoder_next(decoder, &frame))
 *         …
 *
 * A frame is ten bytes, all numbers big-endian: u32 length of the data, u32 stream id, u8 type, u8
 * flags, then the data (containerd/ttrpc channel.go). There is no handshake, ping, reset or cancel.
 *
 * Ownership: a frame's payload points into the decoder.
 * Thread: any, one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

/* Other types must be ignored. */
typedef enum {
    COCO_TTRPC_REQUEST = 1,
    COCO_TTRPC_RESPONSE = 2,
    COCO_TTRPC_DATA = 3,
} CocoTtrpcFrameType;

typedef enum {
    COCO_TTRPC_FLAG_REMOTE_CLOSED = 1 << 0,
    COCO_TTRPC_FLAG_REMOTE_OPEN = 1 << 1,
    COCO_TTRPC_FLAG_NO_DATA = 1 << 2,
} CocoTtrpcFrameFlags;

typedef struct {
    uint32_t stream_id;
    uint8_t type;  /* CocoTtrpcFrameType, or one that is unknown */
    uint8_t flags; /* CocoTtrpcFrameFlags */
    bool oversize; /* over COCO_TTRPC_MAX_PAYLOAD: the data was thrown away, payload is NULL */
    const uint8_t *payload;
    uint32_t length; /* as the header says, also if oversize */
} CocoTtrpcFrame;

typedef struct _CocoTtrpcDecoder CocoTtrpcDecoder;

CocoTtrpcDecoder *coco_ttrpc_decoder_new(void);
void coco_ttrpc_decoder_free(CocoTtrpcDecoder *decoder);

/* Room for at least one byte. (transfer none), until the next call on decoder. */
uint8_t *coco_ttrpc_decoder_get_space(CocoTtrpcDecoder *decoder, size_t *out_size);

/* n bytes, at most what get_space said, have been written there. */
void coco_ttrpc_decoder_fill(CocoTtrpcDecoder *decoder, size_t n);

/* The next complete frame; false if there is none yet. out_frame is valid until the next call on
 * decoder. */
bool coco_ttrpc_decoder_next(CocoTtrpcDecoder *decoder, CocoTtrpcFrame *out_frame);

/* Memory it holds: none when all that came has been taken and get_space has not been called since.
 */
size_t coco_ttrpc_decoder_get_capacity(const CocoTtrpcDecoder *decoder);

/* Writes COCO_TTRPC_HEADER_SIZE bytes at out. */
void coco_ttrpc_put_header(uint8_t *out, uint32_t length, uint32_t stream_id,
                           CocoTtrpcFrameType type, uint8_t flags);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoTtrpcDecoder, coco_ttrpc_decoder_free)

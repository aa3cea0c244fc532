// SPDX-License-Identifier: Apache-2.0
/*
 * The frame decoder: pieces of any size, limits, and what memory it takes.
 */
#include "guest-protocol/ttrpc/ttrpc-frame.h"

#include <string.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/wire-limits.h"

static void
feed(CocoTtrpcDecoder *decoder, const uint8_t *data, size_t length)
{
    while (length > 0) {
        size_t size;
        uint8_t *space = coco_ttrpc_decoder_get_space(decoder, &size);
        size_t n = MIN(size, length);

        cr_assert_gt(size, 0);
        memcpy(space, data, n);
        coco_ttrpc_decoder_fill(decoder, n);
        data += n;
        length -= n;
    }
}

Test(frame, header_is_big_endian)
{
    g_autoptr(CocoTtrpcDecoder) decoder = coco_ttrpc_decoder_new();
    static const uint8_t bytes[] = { 0, 0, 0, 2, 0x01, 0x02, 0x03, 0x05, 1, 2, 'h', 'i' };
    uint8_t header[10];
    CocoTtrpcFrame frame;

    coco_ttrpc_put_header(header, 2, 0x01020305, COCO_TTRPC_REQUEST, COCO_TTRPC_FLAG_REMOTE_OPEN);
    cr_assert_arr_eq(header, bytes, 10);
    feed(decoder, bytes, sizeof bytes);
    cr_assert(coco_ttrpc_decoder_next(decoder, &frame));
    cr_assert_eq(frame.stream_id, 0x01020305);
    cr_assert_eq(frame.type, COCO_TTRPC_REQUEST);
    cr_assert_eq(frame.flags, COCO_TTRPC_FLAG_REMOTE_OPEN);
    cr_assert_eq(frame.length, 2);
    cr_assert_arr_eq(frame.payload, "hi", 2);
    cr_assert(!coco_ttrpc_decoder_next(decoder, &frame));
    cr_assert_eq(coco_ttrpc_decoder_get_capacity(decoder), 0);
}

Test(frame, four_mib_is_the_most)
{
    g_autoptr(CocoTtrpcDecoder) decoder = coco_ttrpc_decoder_new();
    g_autofree uint8_t *data = g_malloc0(COCO_TTRPC_MAX_PAYLOAD + 1);
    uint8_t header[10];
    CocoTtrpcFrame frame;

    coco_ttrpc_put_header(header, COCO_TTRPC_MAX_PAYLOAD, 1, COCO_TTRPC_DATA, 0);
    feed(decoder, header, 10);
    feed(decoder, data, COCO_TTRPC_MAX_PAYLOAD);
    cr_assert(coco_ttrpc_decoder_next(decoder, &frame));
    cr_assert(!frame.oversize);
    cr_assert_eq(frame.length, COCO_TTRPC_MAX_PAYLOAD);

    coco_ttrpc_put_header(header, COCO_TTRPC_MAX_PAYLOAD + 1, 3, COCO_TTRPC_REQUEST, 0);
    feed(decoder, header, 10);
    feed(decoder, data, COCO_TTRPC_MAX_PAYLOAD);
    cr_assert(!coco_ttrpc_decoder_next(decoder, &frame));
    feed(decoder, data, 1);
    cr_assert(coco_ttrpc_decoder_next(decoder, &frame));
    cr_assert(frame.oversize);
    cr_assert_eq(frame.stream_id, 3);
    cr_assert_eq(frame.length, COCO_TTRPC_MAX_PAYLOAD + 1);
    cr_assert_null(frame.payload);
}

/* 4 GiB announced; whatever comes of it is thrown away as it comes. */
Test(frame, oversize_takes_no_memory)
{
    g_autoptr(CocoTtrpcDecoder) decoder = coco_ttrpc_decoder_new();
    g_autofree uint8_t *data = g_malloc0(1u << 20);
    uint8_t header[10];
    CocoTtrpcFrame frame;

    coco_ttrpc_put_header(header, UINT32_MAX, 1, COCO_TTRPC_REQUEST, 0);
    feed(decoder, header, 10);
    for (unsigned int i = 0; i < 4096; i++) {
        size_t n = i < 4095 ? 1u << 20 : (1u << 20) - 1;

        for (size_t done = 0; done < n; done += 65536) {
            feed(decoder, data, MIN((size_t) 65536, n - done));
            cr_assert_eq(coco_ttrpc_decoder_next(decoder, &frame), i == 4095 && done + 65536 > n);
            cr_assert_leq(coco_ttrpc_decoder_get_capacity(decoder), 4 * COCO_TTRPC_READ_CHUNK);
        }
    }
    cr_assert(frame.oversize);
}

Test(frame, memory_grows_with_what_came_not_with_what_was_announced)
{
    g_autoptr(CocoTtrpcDecoder) decoder = coco_ttrpc_decoder_new();
    g_autofree uint8_t *data = g_malloc0(COCO_TTRPC_MAX_PAYLOAD);
    uint8_t header[10];
    CocoTtrpcFrame frame;
    size_t size;

    coco_ttrpc_put_header(header, COCO_TTRPC_MAX_PAYLOAD, 1, COCO_TTRPC_REQUEST, 0);
    feed(decoder, header, 10);
    coco_ttrpc_decoder_get_space(decoder, &size);
    cr_assert_leq(coco_ttrpc_decoder_get_capacity(decoder), 2 * COCO_TTRPC_READ_CHUNK);
    for (size_t done = 0; done < COCO_TTRPC_MAX_PAYLOAD; done += 4096) {
        cr_assert(!coco_ttrpc_decoder_next(decoder, &frame));
        feed(decoder, data, 4096);
        cr_assert_leq(coco_ttrpc_decoder_get_capacity(decoder),
                      2 * (done + 4096) + 2 * COCO_TTRPC_READ_CHUNK);
    }
    cr_assert(coco_ttrpc_decoder_next(decoder, &frame));
}

/* Every cut of a stream of frames gives the same frames. */
Test(frame, pieces_do_not_matter)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    static const unsigned int lengths[] = { 0, 1, 9, 10, 11, 100, 65526, 65536, 70000, 0, 3 };

    for (unsigned int i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree uint8_t *frame = g_malloc(10 + lengths[i]);

        coco_ttrpc_put_header(frame, lengths[i], i, COCO_TTRPC_REQUEST, 0);
        memset(frame + 10, (int) i, lengths[i]);
        g_byte_array_append(all, frame, 10 + lengths[i]);
    }
    for (unsigned int piece = 1; piece <= all->len; piece = piece * 3 + 1) {
        g_autoptr(CocoTtrpcDecoder) decoder = coco_ttrpc_decoder_new();
        unsigned int n = 0;

        for (unsigned int at = 0; at < all->len; at += piece) {
            CocoTtrpcFrame frame;

            feed(decoder, all->data + at, MIN(piece, all->len - at));
            while (coco_ttrpc_decoder_next(decoder, &frame)) {
                cr_assert_eq(frame.stream_id, n);
                cr_assert_eq(frame.length, lengths[n]);
                cr_assert(frame.length == 0 || frame.payload[frame.length - 1] == n);
                n++;
            }
        }
        cr_assert_eq(n, G_N_ELEMENTS(lengths));
    }
}

Test(frame, free)
{
    coco_ttrpc_decoder_free(NULL);
    coco_ttrpc_decoder_free(coco_ttrpc_decoder_new());
}

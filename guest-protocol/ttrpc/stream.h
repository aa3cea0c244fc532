// SPDX-License-Identifier: Apache-2.0
/*
 * A non-blocking descriptor on a GLib main context: reads into the user's buffer, writes from a
 * queue. For sockets, terminals, pipes and virtio-serial ports.
 *
 * A virtio-serial port in the guest whose host end is not connected reads as end of file and polls
 * as hung up, and a level-triggered poll would spin on that. Such a port (any character device that
 * is no terminal) is watched edge-triggered instead. Until the host has been seen (a byte, or a
 * read that would block), end of file means "nobody there yet" and is waited out; after that it
 * means that the host has gone.
 *
 * Ownership: the stream owns its descriptor and the buffers given to it.
 * Thread: that of the main context it was created for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct _CocoStream CocoStream;

/* Each may free the stream. */
typedef struct {
    /* Where to read to: at least one byte of space. */
    uint8_t *(*get_space)(void *user_data, size_t *out_size);

    /* n bytes were put there. */
    void (*on_received)(void *user_data, size_t n);

    /* Less than half of the high mark is queued again; only after coco_stream_write() went over it.
     */
    void (*on_drained)(void *user_data);

    /* Nothing comes after this. reason: NULL for end of file, else (transfer none) from G_IO_ERROR.
     * Bytes that had arrived before were delivered. */
    void (*on_closed)(void *user_data, const GError *reason);
} CocoStreamFuncs;

typedef enum {
    COCO_STREAM_AUTO, /* PORT for a character device that is no terminal */
    COCO_STREAM_PLAIN,
    COCO_STREAM_PORT,
} CocoStreamKind;

/* fd (takes): made non-blocking. funcs must outlive the stream. context: the thread default if
 * NULL. high_mark: bytes queued, see on_drained. */
CocoStream *coco_stream_new(int fd, CocoStreamKind kind, GMainContext *context,
                            const CocoStreamFuncs *funcs, size_t high_mark, void *user_data);

/* Closes. No function is called any more. NULL is fine. */
void coco_stream_free(CocoStream *stream);

/* data: (transfer full), g_malloc'ed. Written now as far as possible, the rest when the descriptor
 * takes it. If writing fails, what had arrived is still delivered and then on_closed runs, from the
 * main loop. */
void coco_stream_write(CocoStream *stream, uint8_t *data, size_t length);

/* Bytes not written yet. */
size_t coco_stream_get_queued(const CocoStream *stream);

/* Stops or resumes reading; a stream starts reading. While stopped a hang-up closes at once. */
void coco_stream_set_reading(CocoStream *stream, bool reading);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoStream, coco_stream_free)

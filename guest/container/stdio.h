// SPDX-License-Identifier: Apache-2.0
/*
 * The two directions of a process's standard streams as queues of requests on a pipe or a terminal.
 * A request waits without holding anything else up; the pipe's own buffer is the only buffer, so a
 * host that does not read slows the process down and nothing more.
 *
 * End of output: Kata's shims want an error for it (Go's would spin on empty data), ours wants
 * empty data. So the first read at the end gives empty data and the next ones the error
 * OUT_OF_RANGE "EOF".
 *
 * A request whose cancellable fired before there was data for it is dropped and takes nothing from
 * the stream; so output is not lost when the connection it was asked over has died.
 *
 * Ownership: a stream owns its descriptor. Freeing it fails the requests that wait (CANCELLED).
 * Thread: that of the thread-default main context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gio/gio.h>

/* Most that one read gives; well under a ttrpc message. */
#define COCO_STDIO_READ_MAX (1U << 20)
/* Requests that may wait on one stream. */
#define COCO_STDIO_WAITING_MAX 64

typedef struct _CocoOutput CocoOutput;
typedef struct _CocoInput CocoInput;

/* Runs once. error: NULL on success (transfer none). data is valid during the call; length 0 is the
 * end. */
typedef void (*CocoOutputDone)(const uint8_t *data, size_t length, const GError *error,
                               void *user_data);
typedef void (*CocoInputDone)(const GError *error, void *user_data);

/* fd (takes): what the process writes to ends here. */
CocoOutput *coco_output_new(int fd);
void coco_output_free(CocoOutput *output);

/* max: 0 stands for COCO_STDIO_READ_MAX. cancellable: nullable. done may run at once. */
void coco_output_read(CocoOutput *output, size_t max, GCancellable *cancellable,
                      CocoOutputDone done, void *user_data);

/* fd (takes): the process reads from the other end. */
CocoInput *coco_input_new(int fd);
void coco_input_free(CocoInput *input);

/* data: must stay until done ran, which may be at once: all of it was taken, or error. */
void coco_input_write(CocoInput *input, const uint8_t *data, size_t length,
                      GCancellable *cancellable, CocoInputDone done, void *user_data);

/* Closes once what waits was written; twice is fine. */
void coco_input_close(CocoInput *input);

/* Makes a pipe with the largest buffer that all may have; the agent's end (read_end says which)
 * does not block. Both are close-on-exec. */
bool coco_stdio_pipe(bool agent_reads, int *out_agent, int *out_child, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoOutput, coco_output_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoInput, coco_input_free)

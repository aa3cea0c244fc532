// SPDX-License-Identifier: Apache-2.0
/*
 * The shim's log: GLib's structured messages become lines of logrus text in the fifo `log` of the
 * bundle, from where containerd copies them to its own log. Logging never blocks, never fails and
 * never kills the shim: what does not fit while containerd is slow or away is dropped, counted, and
 * the count is reported when there is room again.
 *
 *     time="2026-11-23T19:34:26.123456789Z" level=info msg="VM is up" domain=coco-shim
 * sandbox_id=3f2a
 *
 * Fields COCO_* become key=value with the key in lower case and without COCO_.
 *
 * Ownership: a CocoLogFifo owns its descriptor. One that was installed lives as long as the
 * process. Thread: any may log (one write() is one line); new, free and install are for the main
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct _CocoLogFifo CocoLogFifo;

/* path: a fifo (or a file, which is appended to). If it cannot be opened the log goes nowhere: a
 * shim without a log still runs containers. debug: whether debug messages are written. */
CocoLogFifo *coco_log_fifo_new(const char *path, bool debug);
void coco_log_fifo_free(CocoLogFifo *fifo);

/* Makes a new one the log writer of the process. At most once in a process (GLib's rule). */
void coco_log_fifo_install(const char *path, bool debug);

/* A GLogWriterFunc; fifo: CocoLogFifo. */
GLogWriterOutput coco_log_fifo_write(GLogLevelFlags level, const GLogField *fields, size_t n_fields,
                                     void *fifo);

/* Lines lost so far. */
uint64_t coco_log_fifo_get_n_dropped(const CocoLogFifo *fifo);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoLogFifo, coco_log_fifo_free)

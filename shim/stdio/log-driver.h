// SPDX-License-Identifier: Apache-2.0
/*
 * A logging driver: the program of a stdio path binary:///PROGRAM?KEY=VALUE&… gets the output of a
 * process. nerdctl's and others' log drivers are such programs.
 *
 * It runs as PROGRAM KEY VALUE …, with nothing in its environment but CONTAINER_ID and
 * CONTAINER_NAMESPACE, and three descriptors: 3 standard output, 4 standard error, 5 for telling
 * that it is ready: by a byte or, unless the scheme is binary-v2, by closing it. When its process
 * is deleted it gets SIGTERM, and SIGKILL if it is still there after COCO_LOG_DRIVER_TERM_MS.
 * Source: containerd cmd/containerd-shim-runc-v2/process/io.go, core/runtime/v2/logging.
 *
 *     coco_log_driver_start() -> ready function -> … -> coco_log_driver_end() -> ended function
 *
 * Ownership: the caller's until coco_log_driver_end(), then its own: it waits for its process.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/signals.h"

#define COCO_LOG_DRIVER_READY_MS 60000 /* containerd's shim has no limit, but our callers have */
#define COCO_LOG_DRIVER_TERM_MS 12000  /* as containerd's shim */

typedef struct _CocoLogDriver CocoLogDriver;

/* error: NULL, or why it will not be ready (it is to be ended all the same). */
typedef void (*CocoLogDriverReadyFunc)(const GError *error, void *user_data);
typedef void (*CocoLogDriverEndedFunc)(void *user_data);

typedef struct {
    const char *uri;
    const char *id; /* of the container, or of the exec */
    const char *ns;
    CocoSignals *signals; /* outlives the driver */
    CocoLogDriverReadyFunc on_ready;
    void *user_data;
} CocoLogDriverConfig;

/* binary:// or binary-v2:// */
bool coco_log_driver_is_named(const char *uri);

/* on_ready runs later, once; with an error if the driver is ended before. The descriptors to write
 * to, non-blocking: (transfer full). COCO_TTRPC_ERROR: INVALID_ARGUMENT for a URI without an
 * absolute path, NOT_FOUND or UNKNOWN when the program cannot be run. */
CocoLogDriver *coco_log_driver_start(const CocoLogDriverConfig *config, int *out_stdout,
                                     int *out_stderr, GError **error);

/* driver: (transfer full), nullable. func: nullable; runs when the program is gone, which may be
 * before this returns. The descriptors to write to should be closed by now. */
void coco_log_driver_end(CocoLogDriver *driver, CocoLogDriverEndedFunc func, void *user_data);

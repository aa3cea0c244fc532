// SPDX-License-Identifier: Apache-2.0
/*
 * A logging driver: the program of a stdio path binary:///PROGRAM?KEY=VALUE&… gets the output of a
 * process. nerdctl's and others' log drivers are such programs.
 *
 * It runs as PROGRAM KEY VALUE …, with nothing in its environment but CONTAINER_ID and
 * CONTAINER_NAMESPACE, and three descriptors: 3 standard output, 4 standard error (at their end the
 * driver ends), 5 for telling that it is ready. That is not waited for: what is written before it
 * is ready waits in the pipes. Source: containerd pkg/process/io.go, runtime/v2/logging.
 *
 * Ownership: the driver belongs to nobody; it ends at the end of its input.
 * Thread: main (it watches descriptor 5 there).
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* binary:// and nothing else. */
bool coco_log_driver_is_named(const char *uri);

/* id: of the container, or of the exec. The descriptors to write to, non-blocking: (transfer full).
 * COCO_TTRPC_ERROR: INVALID_ARGUMENT for a URI without an absolute path, NOT_FOUND or UNKNOWN when
 * the program cannot be run. */
bool coco_log_driver_start(const char *uri, const char *id, const char *ns, int *out_stdout,
                           int *out_stderr, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * Opens what containerd names as a process's stdio: "" for nothing, a fifo by "/path" or
 * "fifo:///path", a file to append to by "file:///path".
 *
 * Opening never waits for the other side. For output a fifo is opened for reading and writing, so
 * that a reader that goes away is no EPIPE, and one that comes back finds the same fifo. For input
 * there is a spare writing end: as long as it is open a client that goes away is a detach and not
 * an end of file. Source: containerd pkg/process/io.go (runc's shim keeps the same spare
 * descriptors).
 *
 * Ownership: the descriptor is the caller's.
 * Thread: any. Never blocks.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* *out_fd is -1 for "". COCO_TTRPC_ERROR: INVALID_ARGUMENT for a form we do not know, NOT_FOUND and
 * others as the system says. */
bool coco_stdio_path_open_output(const char *path, int *out_fd, GError **error);

/* False too when there is nothing at the path. */
bool coco_stdio_path_is_fifo(const char *path);

/* *out_spare is -1 when path is not a fifo: a file has an end of its own. */
bool coco_stdio_path_open_input(const char *path, int *out_fd, int *out_spare, GError **error);

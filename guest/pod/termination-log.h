// SPDX-License-Identifier: Apache-2.0
/*
 * The termination log of a container: a file of the host's choice below the shared directory, which
 * the spec mounts where the container writes it.
 *
 * Ownership: results are the caller's.
 * Thread: any that may block: the file may be the host's. What is no file is not waited for.
 */
#pragma once

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* The source of that mount; nullable: the spec has none. spec: nullable. */
char *coco_termination_log_find(const Grpc__Spec *spec);

/* The text, at most 4096 bytes of it, as UTF-8; "" without a path or a file. shared: the directory
 * that path must be below. NULL with error set. */
char *coco_termination_log_read(const char *shared, const char *path, GError **error);

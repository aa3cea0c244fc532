// SPDX-License-Identifier: Apache-2.0
/*
 * CopyFile: a host without a shared file system sends files, directories and links in pieces.
 *
 * Ownership: nothing to own; an unfinished file is "NAME.coco-copy" beside its place until its last
 * piece. Thread: any that may block: what is there may be the host's.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* shared: the directory that the request's path must be below. A file appears at its place in one
 * step, whole. */
bool coco_copy_file(const char *shared, const Grpc__CopyFileRequest *request, GError **error);

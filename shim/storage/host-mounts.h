// SPDX-License-Identifier: Apache-2.0
/*
 * Mounts on the host, as containerd's mount manager does them: all of a list on top of each other,
 * or, when the list has templates (mount-template.h), each in a directory of its own and the last
 * one, which is made of them, on the target. Options "loop" and "X-containerd.mkdir.path=" work.
 *
 * Ownership: the mounts are undone by name, coco_host_mounts_undo().
 * Thread: the only one of a child (forked-work.h): mount(2) may block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/task-pb.h"

/* layers: a directory, made when it is needed, for mounts that are not on the target, an open mount
 * point (O_PATH). A link inside such a mount leads nowhere: a guest may have written it. */
bool coco_host_mounts_make(Containerd__Types__Mount *const *mounts, size_t n, const char *layers,
                           int target, GError **error);

/* Takes away what was mounted below layers, and the directory; the target is the caller's. */
void coco_host_mounts_undo(const char *layers);

// SPDX-License-Identifier: Apache-2.0
/*
 * Where things are in the guest. As PID 1 these are fixed places; with --root DIR all of them but
 * the cgroup mount move under DIR, so that the agent can run beside others on a development
 * machine.
 *
 *     /run/kata-containers                    base: what hosts name in requests (Kata's directory)
 *     /run/kata-containers/<container>        bundle of a container
 *     /run/kata-containers/shared/containers  files that the host shares or copies
 *     /run/kata-containers/sandbox            shm, resolv.conf, namespaces of the pod
 *     /run/coco-agent                         our own: crun's state, console sockets
 *
 * Ownership: a layout owns its strings; all getters are (transfer none).
 * Thread: any, it never changes.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef struct _CocoLayout CocoLayout;

/* root: nullable, the directory everything moves under. */
CocoLayout *coco_layout_new(const char *root);
void coco_layout_free(CocoLayout *layout);

/* Makes the directories. */
bool coco_layout_make(const CocoLayout *layout, GError **error);

const char *coco_layout_get_base(const CocoLayout *layout);
const char *coco_layout_get_shared(const CocoLayout *layout);
const char *coco_layout_get_sandbox(const CocoLayout *layout);
const char *coco_layout_get_state(const CocoLayout *layout);
/* The mount point of cgroup2. */
const char *coco_layout_get_cgroups(const CocoLayout *layout);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoLayout, coco_layout_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * Where things are in the guest. As PID 1 these are fixed places; with --root DIR all of them but
 * the cgroup mount move under DIR, so that the agent can run beside others on a development
 * machine.
 *
 *     /run/kata-containers                    base: what hosts name in requests (Kata's directory)
 *     /run/kata-containers/<container>        root file system of a container
 *     /run/kata-containers/shared/containers  files that the host shares or copies
 *     /run/kata-containers/sandbox            shm and resolv.conf of the pod
 *     /run/coco-agent                         our own: crun's state, console sockets
 *     /run/coco-agent/bundles/<container>     bundle of a container
 *     /run/coco-agent/namespaces              namespaces of the pod
 *
 * What a host may mount on is below base, so nothing of ours is: it would change what was checked.
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
const char *coco_layout_get_bundles(const CocoLayout *layout);
const char *coco_layout_get_namespaces(const CocoLayout *layout);
/* The mount point of cgroup2. */
const char *coco_layout_get_cgroups(const CocoLayout *layout);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoLayout, coco_layout_free)

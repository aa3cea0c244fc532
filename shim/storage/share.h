// SPDX-License-Identifier: Apache-2.0
/*
 * The directory that the guest sees through virtiofs, and what is mounted in it for each container:
 *
 *     shared/<id>/rootfs                 the container's root file system
 *     shared/<id>-<16 hex>-<name>        one bind mount of its spec (a file or a directory), Kata's
 * form of name
 *
 * The shim has a mount namespace of its own that nothing propagates out of, so a mount never
 * outlives the pod whatever is killed; virtiofsd started from it sees later mounts because the
 * directory is a shared mount there.
 *
 * Ownership: a CocoShare owns its path; a container's mounts are undone by name with
 * coco_share_remove(). Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/task-pb.h"

#define COCO_SHARE_IN_GUEST "/run/kata-containers/shared/containers"

/* The pod's shared memory, a tmpfs that the agent makes with the sandbox. Kata's place. */
#define COCO_SHM_IN_GUEST "/run/kata-containers/sandbox/shm"

/* Where root file systems are mounted in the guest that do not come through the share. */
#define COCO_ROOT_IN_GUEST "/run/kata-containers"

/* Gives this process a mount namespace of its own; mounts of the host still arrive in it. */
bool coco_share_enter_namespace(GError **error);

/* Makes the directory a shared mount of itself. */
bool coco_share_prepare(const char *shared, GError **error);

/* Mounts a container's root file system as containerd describes it: one or more mounts on top of
 * each other, or none and a directory (root_path) that is there already. */
bool coco_share_add_rootfs(const char *shared, const char *id,
                           Containerd__Types__Mount *const *mounts, size_t n_mounts,
                           const char *root_path, GError **error);

/* Exports source (file or directory) for one mount of a container. Result: its path in the guest;
 * g_free(). */
char *coco_share_add_bind(const char *shared, const char *id, const char *source,
                          const char *destination, bool recursive, GError **error);

/* Unmounts and removes all that was added for the container. */
void coco_share_remove(const char *shared, const char *id);

// SPDX-License-Identifier: Apache-2.0
/*
 * What is exported to the guest through virtiofs, and what is mounted in it for each container:
 *
 *     mounts/                            ours alone; the guest never has it
 *     mounts/<id>/rootfs                 the container's root file system
 *     mounts/<id>-<16 hex>-<name>        one bind mount of its spec (a file or a directory)
 *     shared/                            what virtiofsd exports: mounts/ once more, read-only
 *
 * Names and layout are Kata's. What is mounted in mounts/ appears in shared/, which is a slave of
 * it, with each mount's own options; between the mounts the guest can change nothing there, so no
 * name below mounts/ ever means something that the guest chose.
 *
 * The shim has a mount namespace of its own that nothing propagates out of, so a mount never
 * outlives the pod whatever is killed; virtiofsd started from it sees later mounts.
 *
 * Ownership: paths are borrowed; a container's mounts are undone by name with coco_share_remove().
 * Thread: main.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#define COCO_SHARE_IN_GUEST "/run/kata-containers/shared/containers"

/* The pod's shared memory, a tmpfs that the agent makes with the sandbox. Kata's place. */
#define COCO_SHM_IN_GUEST "/run/kata-containers/sandbox/shm"

/* Where root file systems are mounted in the guest that do not come through the share. */
#define COCO_ROOT_IN_GUEST "/run/kata-containers"

/* Gives this process a mount namespace of its own; mounts of the host still arrive in it. */
bool coco_share_enter_namespace(GError **error);

/* Makes both directories and the mount of one on the other. */
bool coco_share_prepare(const char *mounts, const char *shared, GError **error);

/* Makes path a directory of its own small size: containers may write to files in it, and must not
 * fill the host's /run. */
bool coco_share_make_small(const char *path, GError **error);

/* Where mounts are that a root file system is made of, beside mounts; not exported. g_free(). */
char *coco_share_layers(const char *mounts, const char *id);

/* Unmounts and removes all that was added for the container. */
void coco_share_remove(const char *mounts, const char *id);

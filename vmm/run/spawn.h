// SPDX-License-Identifier: Apache-2.0
/*
 * Starts the helper programs of the launcher, each with exactly the descriptors that it is given.
 *
 * Ownership: descriptors stay with the caller.
 * Thread: one; the child starts with no signal blocked.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef enum {
    COCO_SPAWN_PLAIN = 0,
    COCO_SPAWN_NEW_SESSION = 1 << 0,      /* survives the caller and its terminal */
    COCO_SPAWN_DIES_WITH_PARENT = 1 << 1, /* is killed when the caller dies */
} CocoSpawnFlags;

/* More than a VM has files and devices. */
#define COCO_SPAWN_FDS_MAX 288

/* The path of a helper program: beside this program, else where it is installed (transfer full). */
char *coco_spawn_find_helper(const char *name);

/* The namespace that a program is to be in; "" is a new one, NULL the caller's. */
#define COCO_SPAWN_NEW_NETNS ""

/* Runs argv[0] with fds[i] as its descriptor i (borrows; -1: /dev/null), fewer than
 * COCO_SPAWN_FDS_MAX. The caller reaps *out_pid. */
bool coco_spawn(const char *const *argv, const int *fds, size_t n_fds, CocoSpawnFlags flags,
                pid_t *out_pid, GError **error);

/* The same in a network namespace: a path, or one of the words above. */
bool coco_spawn_in_netns(const char *netns, const char *const *argv, const int *fds, size_t n_fds,
                         CocoSpawnFlags flags, pid_t *out_pid, GError **error);

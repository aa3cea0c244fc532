// SPDX-License-Identifier: Apache-2.0
/*
 * Mounts by descriptor: a tree is cloned, gets its attributes while nobody sees it, and is attached
 * to an open mount point. No path is looked up twice, so nobody can exchange what it means between.
 *
 * Needs Linux 5.12 (mount_setattr); an older kernel is named in the error.
 *
 * Ownership: descriptors that come back are the caller's, those that go in are borrowed.
 * Thread: any; each call may block on the file system it is about.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* A detached bind mount of source, links followed. Result: a descriptor; -1 with error set. */
int coco_mount_tree_clone(const char *source, bool recursive, GError **error);

/* attributes: MOUNT_ATTR_…, to set. propagation: MS_SLAVE, …; 0 for as it is. */
bool coco_mount_tree_set(int tree, uint64_t attributes, uint64_t propagation, bool recursive,
                         GError **error);

/* On top of all that is mounted on point. */
bool coco_mount_tree_attach(int tree, int point, GError **error);

/* Opens (O_PATH) what is below directory, without following a link or going into a mount. -1 with
 * errno. */
int coco_mount_point_open(int directory, const char *path);

/* Makes a mount point below directory and opens it (O_PATH): a directory or an empty file, which is
 * not there yet. -1 with error set. */
int coco_mount_point_make(int directory, const char *name, bool is_directory, GError **error);

/* Unmounts all that is on name in directory and removes the mount point: one that is filled or
 * still mounted stays. */
void coco_mount_point_remove(int directory, const char *name);

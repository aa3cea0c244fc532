// SPDX-License-Identifier: Apache-2.0
/*
 * One copy per host of each boot file, and what was computed of it: a directory of root's, which
 * the VMs of many pods start from.
 *
 *     STORE/DIGEST       an image, read-only for all; DIGEST is of what tells its source from every
 *                        other file and from itself at another time, not of its bytes, so that the
 *                        next launch reads nothing
 *     STORE/DIGEST.json  a text that was computed of images (launch/measure-cache.h)
 *
 * A VM has a hard link of its own, so whoever removes a name takes nothing from a launch that is
 * under way. What was used least lately goes when a newer one comes: the store holds MAX_IMAGES
 * images at most, and for good what a crashed launcher left. A lock serialises launches, so of two
 * that start together one copies.
 *
 * Not stored, but left to the caller to copy: a file that was changed within the last second (the
 * next change may bear the same time), and one of a read-only file system (images of such are made
 * with times that say nothing).
 *
 * Ownership: an open store owns its descriptor; closing it drops the lock.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include <glib.h>

#include "guest-protocol/posix/fd.h"

/* Beside the run directories. */
#define COCO_BOOT_STORE "/run/coco/boot"

/* Makes the directory where needed and locks it. -1 with errno; EPERM when it is not only ours to
 * write. */
CocoFd coco_boot_store_open(const char *path);

/* Makes link, of an image with the content of source, which info was read of: the one that is
 * stored, or a new one. NULL with errno when it cannot be; else the image's name in the store
 * (transfer full). */
char *coco_boot_store_link(int store, int source, const struct stat *info, const char *link);

/* A text by the digest of what it was computed of, or NULL (transfer full). */
char *coco_boot_store_read(int store, const char *digest);
bool coco_boot_store_write(int store, const char *digest, const char *text);

/* Copies size bytes from the start of a file; a clone where the file system can. False with errno.
 */
bool coco_boot_store_copy(int from, int to, off_t size);

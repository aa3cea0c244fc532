// SPDX-License-Identifier: Apache-2.0
/*
 * What a request may name: ids, and paths that stay inside one directory. The host that sends them
 * is not trusted, so nothing here asserts and nothing follows a link out of its directory.
 *
 * Ownership: results belong to the caller.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#define COCO_ID_MAX 128

/* Letters, digits, '.', '_' and '-', the first a letter or digit, at most COCO_ID_MAX; `what` names
 * it in the error (INVALID_ARGUMENT). */
bool coco_paths_check_id(const char *what, const char *id, GError **error);

/* The part of path below base, without leading slash ("" for base itself), or NULL with
 * INVALID_ARGUMENT: not below it, or a component is "..". (transfer none, points into path) */
const char *coco_paths_below(const char *base, const char *path, GError **error);

/* Opens path, which must be below base; links are followed only as long as they stay in base.
 * flags: as open(2), O_CLOEXEC is added. -1 with error set. */
int coco_paths_open(const char *base, const char *path, int flags, mode_t mode, GError **error);

/* Makes the directory path below base and all that lead to it, without following a link out of
 * base, and returns it opened with O_PATH. -1 with error set. */
int coco_paths_make_directory(const char *base, const char *path, mode_t mode, GError **error);

/* The same, and what is made has just this mode, whatever the umask is, and this owner (-1: ours).
 */
int coco_paths_make_owned(const char *base, const char *path, mode_t mode, uid_t uid, gid_t gid,
                          GError **error);

/* The same for a place that something is mounted on: no link is followed at all, so that a path is
 * always the same directory. Opened with O_PATH. -1 with error set. */
int coco_paths_open_place(const char *base, const char *path, GError **error);
int coco_paths_make_place(const char *base, const char *path, mode_t mode, GError **error);

/* Takes the directory away if it is empty. */
void coco_paths_remove_place(const char *base, const char *path);

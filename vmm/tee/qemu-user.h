// SPDX-License-Identifier: Apache-2.0
/*
 * The unprivileged user that QEMU runs as, and whether it can read what it must.
 *
 * Ownership: the name belongs to the user.
 * Thread: one; forks a child that takes on the user's identity for the check.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct {
    char *name;
    uid_t uid;
    gid_t gid;
} CocoQemuUser;

bool coco_qemu_user_find(const char *name, CocoQemuUser *out_user, GError **error);
void coco_qemu_user_clear(CocoQemuUser *user);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoQemuUser, coco_qemu_user_clear)

/*
 * Opens path with the given open() flags as the user; the error names the object (what), the path
 * and, where a directory on the way is closed to the user, that directory.
 */
bool coco_qemu_user_check(const CocoQemuUser *user, const char *what, const char *path, int flags,
                          GError **error);

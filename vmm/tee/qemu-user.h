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

#include "vmm/config/config.h"

typedef struct {
    char *name; /* "+UID" where the host has no such user, as libvirt writes it */
    uid_t uid;
    gid_t gid;
} CocoQemuUser;

/* The user that this VM runs as: another one for each with a range in the config, and that is what
 * run_dir gets it from and keeps it by (uid-pool.h); else the config's. Who is not root cannot make
 * QEMU run as somebody else, so no user is claimed then. */
bool coco_qemu_user_claim(const CocoVmConfig *config, const char *run_dir, CocoQemuUser *out_user,
                          GError **error);

/* One that a VM may get, to check what it may open. False where the config has no range. */
bool coco_qemu_user_sample(const CocoVmConfig *config, CocoQemuUser *out_user);

/* The one that run_dir has by now. */
bool coco_qemu_user_of_run_dir(const CocoVmConfig *config, const char *run_dir,
                               CocoQemuUser *out_user, GError **error);

/* name: of the host's users. */
bool coco_qemu_user_find(const char *name, CocoQemuUser *out_user, GError **error);
void coco_qemu_user_clear(CocoQemuUser *user);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoQemuUser, coco_qemu_user_clear)

/*
 * Opens path with the given open() flags as the user; the error names the object (what), the path
 * and, where a directory on the way is closed to the user, that directory.
 */
bool coco_qemu_user_check(const CocoQemuUser *user, const char *what, const char *path, int flags,
                          GError **error);

/* The same for a socket that listens. */
bool coco_qemu_user_check_socket(const CocoQemuUser *user, const char *what, const char *path,
                                 GError **error);

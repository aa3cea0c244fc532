// SPDX-License-Identifier: Apache-2.0
/*
 * Links in two directories (uid-pool.h).
 */
#include "vmm/run/uid-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"

/* (transfer full), nullable */
static char *
link_of_run_dir(const char *run_dir)
{
    g_autofree char *path = g_build_filename(run_dir, "uid", NULL);

    return g_file_read_link(path, NULL);
}

bool
coco_uid_pool_find(const char *run_dir, uid_t *out_uid)
{
    g_autofree char *claim = link_of_run_dir(run_dir);
    const char *slash = claim != NULL ? strrchr(claim, '/') : NULL;
    guint64 uid = 0;

    if (slash == NULL || !g_ascii_string_to_unsigned(slash + 1, 10, 1, 0x7ffffffe, &uid, NULL))
        return false;
    *out_uid = (uid_t) uid;
    return true;
}

static bool
is_stale(const char *claim, uid_t uid)
{
    g_autofree char *owner = g_file_read_link(claim, NULL);
    uid_t used = 0;

    return owner != NULL && (!coco_uid_pool_find(owner, &used) || used != uid);
}

/* False with errno: EEXIST when it is somebody's. */
static bool
try_claim(const char *claim, const char *run_dir, uid_t uid)
{
    g_autofree char *back = g_build_filename(run_dir, "uid", NULL);

    if (symlink(run_dir, claim) < 0) {
        if (errno != EEXIST)
            return false;
        if (!is_stale(claim, uid)) {
            errno = EEXIST;
            return false;
        }
        if (unlink(claim) < 0 || symlink(run_dir, claim) < 0)
            return false;
    }
    if (symlink(claim, back) < 0) {
        int err = errno;

        (void) unlink(claim);
        errno = err == EEXIST ? EALREADY : err;
        return false;
    }
    return true;
}

/* -1 with error. */
static int
lock_pool(const char *pool, GError **error)
{
    g_auto(CocoFd) fd = -1;

    if (g_mkdir_with_parents(pool, 0711) == 0)
        fd = open(pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return (void) coco_vmm_error_errno(error, errno, "lock '%s'", pool), -1;
    return coco_fd_steal(&fd);
}

bool
coco_uid_pool_claim(const char *pool, const char *run_dir, const CocoUidRange *range,
                    uid_t *out_uid, GError **error)
{
    g_auto(CocoFd) lock = lock_pool(pool, error);
    guint64 n = (guint64) range->last - range->first + 1;
    guint64 start = g_str_hash(run_dir) % n; /* so that few are asked for */

    if (lock < 0)
        return false;
    for (guint64 i = 0; i < n; i++) {
        uid_t uid = range->first + (uid_t) ((start + i) % n);
        g_autofree char *claim = g_strdup_printf("%s/%u", pool, (unsigned int) uid);

        if (try_claim(claim, run_dir, uid)) {
            *out_uid = uid;
            return true;
        }
        if (errno != EEXIST)
            return coco_vmm_error_errno(error, errno, "claim user %u for '%s'", (unsigned int) uid,
                                        run_dir);
    }
    return coco_vmm_failed(error,
                           "claim a user for QEMU: all of [host] qemu_uid_range = %u-%u are taken",
                           (unsigned int) range->first, (unsigned int) range->last);
}

void
coco_uid_pool_release(const char *run_dir)
{
    g_autofree char *back = g_build_filename(run_dir, "uid", NULL);
    g_autofree char *claim = link_of_run_dir(run_dir);
    g_autofree char *owner = claim != NULL ? g_file_read_link(claim, NULL) : NULL;

    if (g_strcmp0(owner, run_dir) == 0)
        (void) unlink(claim);
    (void) unlink(back);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * flock() on RUN/served (pod-lock.h). It gets its name when it is locked already, so nobody finds
 * it free who should not.
 */
#include "shim/host/pod-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"

#define NAME "served"

int
coco_pod_lock_make(const CocoPodDir *dir, GError **error)
{
    g_autofree char *path = g_build_filename(coco_pod_dir_path(dir), NAME, NULL);
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    g_auto(CocoFd) fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || rename(fresh, path) < 0) {
        int code = errno;

        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "make lock '%s': %s", path,
                    g_strerror(code));
        return -1;
    }
    return coco_fd_steal(&fd);
}

/* The directory itself, and no link to one; the base is not for others to write to. */
static int
open_directory(const CocoPodDir *dir)
{
    g_auto(CocoFd) fd = open(coco_pod_dir_path(dir), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0)
        return -1;
    if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        errno = EPERM;
        return -1;
    }
    return coco_fd_steal(&fd);
}

static int
lock(const CocoPodDir *dir, int operation)
{
    g_auto(CocoFd) directory = open_directory(dir);
    g_auto(CocoFd) fd = -1;
    struct stat info;

    if (directory < 0)
        return -1;
    fd = openat(directory, NAME, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || flock(fd, operation) < 0 || fstat(fd, &info) < 0)
        return -1;
    /* Who had it has removed it, and perhaps made another one. */
    if (info.st_nlink == 0) {
        errno = ENOENT;
        return -1;
    }
    return coco_fd_steal(&fd);
}

int
coco_pod_lock_try(const CocoPodDir *dir)
{
    return lock(dir, LOCK_EX | LOCK_NB);
}

int
coco_pod_lock_wait(const CocoPodDir *dir)
{
    return lock(dir, LOCK_EX);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A file descriptor that closes itself at the end of its scope.
 *
 *     g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC);
 *     …
 *     return coco_fd_steal(&fd);
 *
 * GLib has had g_autofd only since 2.76; this is for 2.74 (Debian 12). This header and fd.c are the
 * only places that call close().
 *
 * Ownership: the variable owns the descriptor; -1 owns nothing.
 * Thread: any.
 */
#pragma once

#include <errno.h>
#include <unistd.h>

#include <glib.h>

typedef int CocoFd;

/* Closes fd (-1 is fine) and keeps errno as it was. */
static inline void
coco_fd_close(CocoFd fd)
{
    int saved_errno = errno;

    if (fd >= 0)
        (void) close(fd);
    errno = saved_errno;
}

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(CocoFd, coco_fd_close, -1)

/* Gives *fd to the caller and leaves -1 there. */
static inline int
coco_fd_steal(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Closes *fd and leaves -1 there. */
static inline void
coco_fd_clear(int *fd)
{
    coco_fd_close(coco_fd_steal(fd));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A file server that never answers. In a mount namespace of the test's own.
 *
 * Ownership: the descriptor is the caller's; when it is closed, those who wait get an error.
 * Thread: any.
 */
#pragma once

#include <fcntl.h>
#include <sys/mount.h>

#include <glib.h>

#include "guest-protocol/posix/fd.h"

/* On a new directory; -1 where there is no FUSE. */
static inline int
mute_mount(const char *base, const char *name)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_auto(CocoFd) fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    g_autofree char *options = g_strdup_printf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd);

    if (fd < 0 || g_mkdir_with_parents(path, 0755) < 0 ||
        mount("mute", path, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
        return -1;
    return coco_fd_steal(&fd);
}

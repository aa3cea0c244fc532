// SPDX-License-Identifier: Apache-2.0
/* See the header. */
#include "guest/system/kernel-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

bool
coco_kernel_file_write(const char *path, const char *text, GError **error)
{
    g_auto(CocoFd) fd = open(path, O_WRONLY | O_CLOEXEC);
    int saved_errno;

    if (fd >= 0 && write(fd, text, strlen(text)) >= 0)
        return true;
    saved_errno = errno;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "write '%s' to '%s': %s", text, path,
                g_strerror(saved_errno));
    errno = saved_errno;
    return false;
}

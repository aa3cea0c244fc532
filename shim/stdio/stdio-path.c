// SPDX-License-Identifier: Apache-2.0
/*
 * Forms of stdio paths.
 */
#include "shim/stdio/stdio-path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

/* Fewer wake-ups. Not for output: what is in a fifo when the exit is reported, some clients lose.
 */
#define INPUT_PIPE_BYTES (1024 * 1024)

static bool
fail_with_errno(GError **error, const char *path)
{
    int code = errno == ENOENT ? COCO_TTRPC_NOT_FOUND : COCO_TTRPC_UNKNOWN;

    g_set_error(error, COCO_TTRPC_ERROR, code, "open stdio '%s': %s", path, g_strerror(errno));
    return false;
}

static const char *
plain_path(const char *path)
{
    const char *bare = g_str_has_prefix(path, "fifo://") ? path + strlen("fifo://") : path;

    return bare[0] == '/' ? bare : NULL;
}

static bool
fail_unknown_form(GError **error, const char *path)
{
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                "open stdio '%s': only fifo, file and binary paths are supported", path);
    return false;
}

static bool
open_file(const char *path, int *out_fd, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);

    if (g_mkdir_with_parents(directory, 0755) != 0)
        return fail_with_errno(error, directory);
    *out_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644);
    if (*out_fd < 0 && errno == ENXIO) /* a fifo that nobody reads yet */
        *out_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return *out_fd >= 0 || fail_with_errno(error, path);
}

bool
coco_stdio_path_open_output(const char *path, int *out_fd, GError **error)
{
    const char *bare = plain_path(path);
    int fd;

    if (path[0] == '\0') {
        *out_fd = -1;
        return true;
    }
    if (bare == NULL && g_str_has_prefix(path, "file:///"))
        return open_file(path + strlen("file://"), out_fd, error);
    if (bare == NULL)
        return fail_unknown_form(error, path);
    fd = open(bare, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail_with_errno(error, bare);
    *out_fd = fd;
    return true;
}

bool
coco_stdio_path_is_fifo(const char *path)
{
    const char *bare = plain_path(path);
    struct stat info;

    return bare != NULL && bare[0] != '\0' && stat(bare, &info) == 0 && S_ISFIFO(info.st_mode);
}

bool
coco_stdio_path_open_input(const char *path, int *out_fd, int *out_spare, GError **error)
{
    const char *bare = plain_path(path);
    g_auto(CocoFd) fd = -1;
    struct stat info;

    *out_fd = -1;
    *out_spare = -1;
    if (path[0] == '\0')
        return true;
    if (bare == NULL)
        return fail_unknown_form(error, path);
    fd = open(bare, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        return fail_with_errno(error, bare);
    if (S_ISFIFO(info.st_mode)) {
        (void) fcntl(fd, F_SETPIPE_SZ, INPUT_PIPE_BYTES);
        *out_spare = open(bare, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (*out_spare < 0)
            return fail_with_errno(error, bare);
    }
    *out_fd = coco_fd_steal(&fd);
    return true;
}

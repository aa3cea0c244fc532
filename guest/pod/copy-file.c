// SPDX-License-Identifier: Apache-2.0
/*
 * A piece at offset 0 begins a file anew; the piece that completes file_size puts it in its place.
 * The name of the unfinished file keeps the whole name, so that a.json and a.yaml do not share one.
 *
 * Source: Kata src/agent/src/rpc.rs, do_copy_file().
 */
#include "guest/pod/copy-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/paths.h"

#define UNFINISHED ".coco-copy"
#define PERMISSIONS 07777

static bool
fail(const char *verb, const Grpc__CopyFileRequest *request, GError **error)
{
    int saved_errno = errno;
    g_autofree char *shown = g_strescape(request->path, NULL);

    return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "%s '%.300s': %s", verb, shown,
                             g_strerror(saved_errno));
}

static bool
write_all(int fd, const ProtobufCBinaryData *data, int64_t offset)
{
    size_t done = 0;

    while (done < data->len) {
        ssize_t put = pwrite(fd, data->data + done, data->len - done, offset + (int64_t) done);

        if (put < 0 && errno != EINTR)
            return false;
        done += (size_t) MAX(put, 0);
    }
    return true;
}

/* The unfinished file, for the next piece. Whatever else may have come to be there, a fifo or a
 * device, is not waited for and not written to. */
static int
open_unfinished(int directory, const char *unfinished, bool begins)
{
    const int flags = O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    g_auto(CocoFd) fd = -1;
    struct stat status;

    if (begins && unlinkat(directory, unfinished, 0) < 0 && errno != ENOENT)
        return -1;
    fd = openat(directory, unfinished, flags | (begins ? O_CREAT | O_EXCL : 0), 0600);
    if (fd < 0 || fstat(fd, &status) < 0)
        return -1;
    if (!S_ISREG(status.st_mode)) {
        errno = EBADF;
        return -1;
    }
    return coco_fd_steal(&fd);
}

static bool
copy_regular(int directory, const char *name, const Grpc__CopyFileRequest *request, GError **error)
{
    g_autofree char *unfinished = g_strconcat(name, UNFINISHED, NULL);
    g_auto(CocoFd) fd = open_unfinished(directory, unfinished, request->offset == 0);
    struct stat status;

    if (fd < 0 || !write_all(fd, &request->data, request->offset) || fstat(fd, &status) < 0)
        return fail("write", request, error);
    if (status.st_size < request->file_size)
        return true;
    if (fchown(fd, (uid_t) request->uid, (gid_t) request->gid) < 0 ||
        fchmod(fd, request->file_mode & PERMISSIONS) < 0 ||
        renameat(directory, unfinished, directory, name) < 0)
        return fail("finish", request, error);
    return true;
}

/* In one step, too: kubelet's "..data" is exchanged while it is read. */
static bool
copy_link(int directory, const char *name, const Grpc__CopyFileRequest *request, GError **error)
{
    g_autofree char *target = g_strndup((const char *) request->data.data, request->data.len);
    g_autofree char *unfinished = g_strconcat(name, UNFINISHED, NULL);

    (void) unlinkat(directory, unfinished, 0);
    if (symlinkat(target, directory, unfinished) < 0 ||
        fchownat(directory, unfinished, (uid_t) request->uid, (gid_t) request->gid,
                 AT_SYMLINK_NOFOLLOW) < 0 ||
        renameat(directory, unfinished, directory, name) < 0)
        return fail("link", request, error);
    return true;
}

static bool
copy_directory(int directory, const char *name, const Grpc__CopyFileRequest *request,
               GError **error)
{
    g_auto(CocoFd) fd = -1;

    if (mkdirat(directory, name, 0700) < 0 && errno != EEXIST)
        return fail("make directory", request, error);
    fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fchown(fd, (uid_t) request->uid, (gid_t) request->gid) < 0 ||
        fchmod(fd, request->file_mode & PERMISSIONS) < 0)
        return fail("make directory", request, error);
    return true;
}

static bool
check(const Grpc__CopyFileRequest *request, const char *name, GError **error)
{
    if (request->offset >= 0 && request->file_size >= 0 && *name != '\0' &&
        strcmp(name, ".") != 0 && request->offset <= INT64_MAX - (int64_t) request->data.len &&
        request->offset + (int64_t) request->data.len <= MAX(request->file_size, PATH_MAX) &&
        strlen(name) + strlen(UNFINISHED) <= NAME_MAX)
        return true;
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                             "offset, size or name of the file makes no sense");
}

bool
coco_copy_file(const char *shared, const Grpc__CopyFileRequest *request, GError **error)
{
    g_autofree char *name = g_path_get_basename(request->path);
    g_autofree char *parent = g_path_get_dirname(request->path);
    g_auto(CocoFd) directory = -1;
    mode_t mode = request->dir_mode != 0 ? request->dir_mode & PERMISSIONS : 0750;

    if (!check(request, name, error) || coco_paths_below(shared, request->path, error) == NULL)
        return false;
    directory = coco_paths_make_owned(shared, parent, mode, (uid_t) request->uid,
                                      (gid_t) request->gid, error);
    if (directory < 0)
        return false;
    if (S_ISLNK(request->file_mode))
        return copy_link(directory, name, request, error);
    if (S_ISDIR(request->file_mode))
        return copy_directory(directory, name, request, error);
    if (S_ISREG(request->file_mode) || (request->file_mode & S_IFMT) == 0)
        return copy_regular(directory, name, request, error);
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                             "only files, directories and links can be copied");
}

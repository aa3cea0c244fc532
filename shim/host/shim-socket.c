// SPDX-License-Identifier: Apache-2.0
/*
 * Bind, link, and find again.
 */
#include "shim/host/shim-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/system-error.h"

#define BACKLOG 64

static void
fill_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    (void) g_strlcpy(address->sun_path, path, sizeof(address->sun_path));
}

static bool
is_served(const char *path)
{
    g_auto(CocoFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;

    fill_address(&address, path);
    return fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0;
}

bool
coco_shim_socket_is_served(const CocoPodDir *dir)
{
    return is_served(coco_pod_dir_socket(dir));
}

static int
listen_at(const char *path, GError **error)
{
    g_auto(CocoFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;
    mode_t mask;
    int bound;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return coco_system_error(error, "bind socket", path), -1;
    }
    fill_address(&address, path);
    mask = umask(0177);
    bound = fd >= 0 ? bind(fd, (struct sockaddr *) &address, sizeof(address)) : -1;
    if (bound != 0 && errno == EADDRINUSE && !is_served(path) && unlink(path) == 0)
        bound = bind(fd, (struct sockaddr *) &address, sizeof(address));
    (void) umask(mask);
    if (bound != 0 || listen(fd, BACKLOG) != 0)
        return coco_system_error(error, "bind socket", path), -1;
    return coco_fd_steal(&fd);
}

int
coco_shim_socket_listen(const CocoPodDir *dir, const char *socket_dir, const char *hash_input,
                        GError **error)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, hash_input, -1);
    g_autofree char *path = socket_dir != NULL ? g_build_filename(socket_dir, digest, NULL) : NULL;
    g_auto(CocoFd) fd = -1;

    if (path == NULL)
        return listen_at(coco_pod_dir_socket(dir), error);
    if (g_mkdir_with_parents(socket_dir, 0700) != 0)
        return coco_system_error(error, "make socket directory", socket_dir), -1;
    fd = listen_at(path, error);
    if (fd >= 0 && symlink(path, coco_pod_dir_socket(dir)) != 0) {
        (void) coco_system_error(error, "link to socket", path);
        (void) unlink(path);
        return -1;
    }
    return coco_fd_steal(&fd);
}

char *
coco_shim_socket_address(const CocoPodDir *dir)
{
    g_autofree char *target = g_file_read_link(coco_pod_dir_socket(dir), NULL);

    return g_strconcat("unix://", target != NULL ? target : coco_pod_dir_socket(dir), NULL);
}

bool
coco_shim_socket_write_address(const char *bundle, const char *address, GError **error)
{
    g_autofree char *path = g_build_filename(bundle, "address", NULL);

    return g_file_set_contents_full(path, address, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

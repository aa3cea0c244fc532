// SPDX-License-Identifier: Apache-2.0
/*
 * Confinement rests on openat2(RESOLVE_BENEATH): the kernel refuses what leaves the directory,
 * links and races included. The checks of the text before that are for clear errors.
 */
#include "guest/system/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

bool
coco_paths_check_id(const char *what, const char *id, GError **error)
{
    size_t length = strlen(id);
    bool good = length > 0 && length <= COCO_ID_MAX && g_ascii_isalnum(id[0]);

    for (size_t i = 0; good && i < length; i++)
        good = g_ascii_isalnum(id[i]) || strchr("._-", id[i]) != NULL;
    if (!good) {
        g_autofree char *shown = g_strescape(id, NULL);

        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT, "invalid %s '%.140s'",
                    what, shown);
    }
    return good;
}

static bool
has_dotdot(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);

    return g_strv_contains((const char *const *) parts, "..");
}

const char *
coco_paths_below(const char *base, const char *path, GError **error)
{
    size_t length = strlen(base);
    const char *rest = path + length;

    if (strncmp(path, base, length) != 0 || (*rest != '/' && *rest != '\0') || has_dotdot(path)) {
        g_autofree char *shown = g_strescape(path, NULL);

        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "path '%.300s' is not below '%s'", shown, base);
        return NULL;
    }
    while (*rest == '/')
        rest++;
    return rest;
}

/* links: 0, or RESOLVE_NO_SYMLINKS. */
static int
open_beneath(int directory, const char *path, int flags, mode_t mode, uint64_t links)
{
    struct open_how how = {
        .flags = (unsigned int) (flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | links,
    };

    return (int) syscall(SYS_openat2, directory, *path != '\0' ? path : ".", &how, sizeof how);
}

static int
fail_path(const char *verb, const char *path, GError **error)
{
    int saved_errno = errno;
    g_autofree char *shown = g_strescape(path, NULL);
    CocoTtrpcCode code = saved_errno == ENOENT ? COCO_TTRPC_NOT_FOUND : COCO_TTRPC_INVALID_ARGUMENT;

    /* The kernel's word for "a link leads out of the directory". */
    if (saved_errno == EXDEV)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "%s '%.300s': leads out of its directory", verb, shown);
    else
        g_set_error(error, COCO_TTRPC_ERROR, code, "%s '%.300s': %s", verb, shown,
                    g_strerror(saved_errno));
    return -1;
}

static int
open_below(const char *base, const char *path, int flags, mode_t mode, uint64_t links,
           GError **error)
{
    g_auto(CocoFd) directory = -1;
    const char *rest = coco_paths_below(base, path, error);
    int fd;

    if (rest == NULL)
        return -1;
    directory = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return fail_path("open", base, error);
    fd = open_beneath(directory, rest, flags, mode, links);
    return fd >= 0 ? fd : fail_path("open", path, error);
}

int
coco_paths_open(const char *base, const char *path, int flags, mode_t mode, GError **error)
{
    return open_below(base, path, flags, mode, 0, error);
}

int
coco_paths_open_place(const char *base, const char *path, GError **error)
{
    return open_below(base, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS, error);
}

typedef struct {
    uid_t uid;
    gid_t gid;
} Owner;

/* Of a directory that was just made; its mode had the umask taken from it. */
static bool
give(int directory, const Owner *owner, mode_t mode)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", directory);

    return chown(path, owner->uid, owner->gid) == 0 && chmod(path, mode) == 0;
}

/* owner: nullable, of what is made here. */
static int
make_below(const char *base, const char *path, mode_t mode, uint64_t links, const Owner *owner,
           GError **error)
{
    g_auto(CocoFd) directory = -1;
    g_auto(GStrv) parts = NULL;
    const char *rest = coco_paths_below(base, path, error);

    if (rest == NULL)
        return -1;
    directory = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return fail_path("open", base, error);
    parts = g_strsplit(rest, "/", -1);
    for (size_t i = 0; parts[i] != NULL; i++) {
        bool is_new;
        int next;

        if (*parts[i] == '\0' || strcmp(parts[i], ".") == 0)
            continue;
        is_new = mkdirat(directory, parts[i], mode) == 0;
        if (!is_new && errno != EEXIST)
            return fail_path("make directory", path, error);
        next = open_beneath(directory, parts[i], O_PATH | O_DIRECTORY, 0, links);
        if (next < 0)
            return fail_path("open directory", path, error);
        coco_fd_clear(&directory);
        directory = next;
        if (is_new && owner != NULL && !give(directory, owner, mode))
            return fail_path("give directory", path, error);
    }
    return coco_fd_steal(&directory);
}

int
coco_paths_make_directory(const char *base, const char *path, mode_t mode, GError **error)
{
    return make_below(base, path, mode, 0, NULL, error);
}

int
coco_paths_make_owned(const char *base, const char *path, mode_t mode, uid_t uid, gid_t gid,
                      GError **error)
{
    const Owner owner = { uid, gid };

    return make_below(base, path, mode, 0, &owner, error);
}

int
coco_paths_make_place(const char *base, const char *path, mode_t mode, GError **error)
{
    return make_below(base, path, mode, RESOLVE_NO_SYMLINKS, NULL, error);
}

void
coco_paths_remove_place(const char *base, const char *path)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_auto(CocoFd) directory = coco_paths_open_place(base, parent, NULL);

    if (directory >= 0)
        (void) unlinkat(directory, name, AT_REMOVEDIR);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * open_tree, mount_setattr, move_mount and openat2 (mount-tree.h).
 */
#include "shim/storage/mount-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"

static int
fail(const char *verb, const char *what, GError **error)
{
    int code = errno;
    const char *old = code == ENOSYS ? "; Linux 5.12 is needed" : "";

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s '%s': %s%s", verb, what,
                g_strerror(code), old);
    return -1;
}

int
coco_mount_tree_clone(const char *source, bool recursive, GError **error)
{
    int tree = open_tree(AT_FDCWD, source,
                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT |
                             (recursive ? AT_RECURSIVE : 0));

    return tree >= 0 ? tree : fail("bind-mount", source, error);
}

bool
coco_mount_tree_set(int tree, uint64_t attributes, uint64_t propagation, bool recursive,
                    GError **error)
{
    struct mount_attr attr = { .attr_set = attributes,
                               .attr_clr = (attributes & MOUNT_ATTR__ATIME) != 0
                                               ? MOUNT_ATTR__ATIME /* one of several values */
                                               : 0,
                               .propagation = propagation };

    if (attributes == 0 && propagation == 0)
        return true;
    return mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
                         sizeof(attr)) == 0 ||
           fail("set options of", "bind mount", error) == 0;
}

bool
coco_mount_tree_attach(int tree, int point, GError **error)
{
    return move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) ==
               0 ||
           fail("attach", "mount", error) == 0;
}

int
coco_mount_point_open(int directory, const char *path)
{
    struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };

    return (int) syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

static bool
make(int directory, const char *name, bool is_directory)
{
    g_auto(CocoFd) file = -1;

    if (is_directory)
        return mkdirat(directory, name, 0755) == 0;
    file = openat(directory, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    return file >= 0;
}

/* For people: where an open directory is by now. */
static char *
describe(int directory, const char *name)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", directory);
    g_autofree char *path = g_file_read_link(link, NULL);

    return g_build_filename(path != NULL ? path : "", name, NULL);
}

int
coco_mount_point_make(int directory, const char *name, bool is_directory, GError **error)
{
    int point = make(directory, name, is_directory) ? coco_mount_point_open(directory, name) : -1;
    int saved = errno;
    g_autofree char *path = NULL;

    if (point >= 0)
        return point;
    path = describe(directory, name);
    errno = saved;
    return fail("make mount point", path, error);
}

/* umount2() knows paths only: the link of /proc leads to the open directory, whatever is its name
 * by now, and the last component is no link. */
void
coco_mount_point_remove(int directory, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", directory, name);

    while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ;
    if (unlinkat(directory, name, AT_REMOVEDIR) != 0 && errno == ENOTDIR)
        (void) unlinkat(directory, name, 0);
}

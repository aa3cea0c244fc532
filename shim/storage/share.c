// SPDX-License-Identifier: Apache-2.0
/*
 * The two directories, and the end of what volume-mounts.c mounted in them. Undoing works by name,
 * not by memory, so that half of a failed attempt is undone by the same code.
 */
#include "shim/storage/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/system-error.h"
#include "shim/storage/host-mounts.h"
#include "shim/storage/mount-tree.h"

bool
coco_share_enter_namespace(GError **error)
{
    if (unshare(CLONE_NEWNS) != 0)
        return coco_system_error(error, "leave mount namespace of", "/");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return coco_system_error(error, "make mounts a slave below", "/");
    return true;
}

/* A slave for the namespaces that are cloned from ours later, too: virtiofsd's is one. */
static bool
export_to(int mounts, const char *shared, GError **error)
{
    g_auto(CocoFd) point = open(shared, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (point < 0)
        return coco_system_error(error, "open shared directory", shared);
    return coco_mount_tree_set(
               mounts, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
               MS_SLAVE, false, error) &&
           coco_mount_tree_attach(mounts, point, error);
}

bool
coco_share_prepare(const char *mounts, const char *shared, GError **error)
{
    g_auto(CocoFd) tree = -1;

    if (mkdir(mounts, 0700) != 0 && errno != EEXIST)
        return coco_system_error(error, "make directory of mounts", mounts);
    if (mkdir(shared, 0700) != 0 && errno != EEXIST)
        return coco_system_error(error, "make shared directory", shared);
    if (mount(mounts, mounts, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, mounts, NULL, MS_SHARED, NULL) != 0)
        return coco_system_error(error, "make a shared mount of", mounts);
    tree = coco_mount_tree_clone(mounts, false, error);
    return tree >= 0 && export_to(tree, shared, error);
}

bool
coco_share_make_small(const char *path, GError **error)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return coco_system_error(error, "make directory", path);
    return mount("coco", path, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC,
                 "mode=0700,size=1m,nr_inodes=64") == 0 ||
           coco_system_error(error, "limit the size of", path);
}

char *
coco_share_layers(const char *mounts, const char *id)
{
    g_autofree char *parent = g_path_get_dirname(mounts);
    g_autofree char *name = g_strconcat("layers-", id, NULL);

    return g_build_filename(parent, name, NULL);
}

static void
remove_root(int mounts, const char *id)
{
    g_auto(CocoFd) own = coco_mount_point_open(mounts, id);

    if (own < 0)
        return;
    coco_mount_point_remove(own, "rootfs");
    coco_mount_point_remove(mounts, id);
}

/* Another container's id may begin with this one's. */
static bool
is_bind_of(const char *name, const char *id)
{
    size_t length = strlen(id);
    const char *rest = g_str_has_prefix(name, id) ? name + length : "";

    return rest[0] == '-' && strspn(rest + 1, "0123456789abcdef") == 16 && rest[17] == '-';
}

void
coco_share_remove(const char *mounts, const char *id)
{
    g_autofree char *layers = coco_share_layers(mounts, id);
    int directory = open(mounts, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = directory >= 0 ? fdopendir(directory) : NULL;
    struct dirent *entry;

    if (entries != NULL)
        remove_root(directory, id);
    coco_host_mounts_undo(layers);
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (is_bind_of(entry->d_name, id))
            coco_mount_point_remove(directory, entry->d_name);
    }
    if (entries != NULL)
        (void) closedir(entries);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Mounts below the exported directory. Undoing works by name, not by memory, so that half of a
 * failed attempt is undone by the same code.
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
#include "shim/storage/host-mounts.h"
#include "shim/storage/mount-options.h"

#define NAME_MAX_BYTES                                                                             \
    100 /* of a bind mount's own part, so that the whole stays below NAME_MAX                      \
         */

static bool
fail_with_errno(GError **error, const char *verb, const char *path)
{
    int code = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s '%s': %s", verb, path,
                g_strerror(code));
    return false;
}

bool
coco_share_enter_namespace(GError **error)
{
    if (unshare(CLONE_NEWNS) != 0)
        return fail_with_errno(error, "leave mount namespace of", "/");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return fail_with_errno(error, "make mounts a slave below", "/");
    return true;
}

bool
coco_share_prepare(const char *shared, GError **error)
{
    if (mkdir(shared, 0700) != 0 && errno != EEXIST)
        return fail_with_errno(error, "make shared directory", shared);
    if (mount(shared, shared, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, shared, NULL, MS_SHARED, NULL) != 0)
        return fail_with_errno(error, "make a shared mount of", shared);
    return true;
}

/* Where mounts are that a root file system is made of; not exported. */
static char *
layers_of(const char *shared, const char *id)
{
    g_autofree char *parent = g_path_get_dirname(shared);
    g_autofree char *name = g_strconcat("layers-", id, NULL);

    return g_build_filename(parent, name, NULL);
}

bool
coco_share_add_rootfs(const char *shared, const char *id, Containerd__Types__Mount *const *mounts,
                      size_t n_mounts, const char *root_path, GError **error)
{
    g_autofree char *directory = g_build_filename(shared, id, NULL);
    g_autofree char *target = g_build_filename(directory, "rootfs", NULL);
    g_autofree char *layers = layers_of(shared, id);
    g_auto(CocoMountOptions) bind = { .flags = MS_BIND | MS_REC, .data = g_strdup("") };

    if (mkdir(directory, 0711) != 0 || mkdir(target, 0755) != 0)
        return fail_with_errno(error, "make mount point", target);
    if (n_mounts == 0)
        return coco_mount("bind", root_path, target, &bind, error);
    for (size_t i = 0; i < n_mounts; i++) {
        if (mounts[i]->target != NULL && mounts[i]->target[0] != '\0') {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        "mount '%s' on '%s': a target inside the root file system is not supported",
                        mounts[i]->source, mounts[i]->target);
            return false;
        }
    }
    return coco_host_mounts_make(mounts, n_mounts, layers, target, error);
}

static bool
make_mount_point(const char *source, const char *target, GError **error)
{
    struct stat info;
    g_auto(CocoFd) fd = -1;

    if (stat(source, &info) != 0)
        return fail_with_errno(error, "look at mount source", source);
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "share '%s': a socket, pipe or device of the host does not work in a VM",
                    source);
        return false;
    }
    if (S_ISDIR(info.st_mode)) {
        if (mkdir(target, 0700) != 0)
            return fail_with_errno(error, "make mount point", target);
        return true;
    }
    fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    return fd >= 0 || fail_with_errno(error, "make mount point", target);
}

/* <id>-<16 hex>-<last component of the destination>, cut and cleaned. */
static char *
bind_name(const char *id, const char *destination)
{
    g_autofree char *base = g_path_get_basename(destination);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, destination, -1);

    digest[16] = '\0';
    if (strlen(base) > NAME_MAX_BYTES)
        base[NAME_MAX_BYTES] = '\0';
    return g_strdup_printf("%s-%s-%s", id, digest, strcmp(base, "/") == 0 ? "root" : base);
}

char *
coco_share_add_bind(const char *shared, const char *id, const char *source, const char *destination,
                    bool recursive, GError **error)
{
    g_autofree char *name = bind_name(id, destination);
    g_autofree char *target = g_build_filename(shared, name, NULL);
    g_auto(CocoMountOptions)
        bind = { .flags = MS_BIND | (recursive ? MS_REC : 0), .data = g_strdup("") };

    if (!make_mount_point(source, target, error) ||
        !coco_mount("bind", source, target, &bind, error))
        return NULL;
    return g_build_filename(COCO_SHARE_IN_GUEST, name, NULL);
}

/* Nothing but our own empty mount points goes: unlink and rmdir refuse a mounted or filled one. */
static void
remove_mount_point(const char *target)
{
    while (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ;
    if (rmdir(target) != 0 && errno == ENOTDIR)
        (void) unlink(target);
}

void
coco_share_remove(const char *shared, const char *id)
{
    g_autofree char *prefix = g_strconcat(id, "-", NULL);
    g_autofree char *directory = g_build_filename(shared, id, NULL);
    g_autofree char *rootfs = g_build_filename(directory, "rootfs", NULL);
    g_autofree char *layers = layers_of(shared, id);
    DIR *entries = opendir(shared);
    struct dirent *entry;

    remove_mount_point(rootfs);
    remove_mount_point(directory);
    coco_host_mounts_undo(layers);
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        const char *rest =
            g_str_has_prefix(entry->d_name, prefix) ? entry->d_name + strlen(prefix) : "";
        g_autofree char *target = g_build_filename(shared, entry->d_name, NULL);

        if (strspn(rest, "0123456789abcdef") >= 16 && rest[16] == '-')
            remove_mount_point(target);
    }
    if (entries != NULL)
        (void) closedir(entries);
}

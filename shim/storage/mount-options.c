// SPDX-License-Identifier: Apache-2.0
/*
 * Mount options by table, and the mount itself.
 */
#include "shim/storage/mount-options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/system-error.h"
#include "shim/storage/mount-tree.h"
#include "shim/storage/overlay-data.h"

#define DATA_MAX 4095 /* mount(2): a page with its NUL */

/* clang-format off */
static const struct {
    const char *name;
    unsigned long set;
    unsigned long clear;
} flag_options[] = {
    { "async", 0, MS_SYNCHRONOUS },      { "atime", 0, MS_NOATIME },
    { "bind", MS_BIND, 0 },              { "rbind", MS_BIND | MS_REC, 0 },
    { "defaults", 0, 0 },                { "dev", 0, MS_NODEV },
    { "diratime", 0, MS_NODIRATIME },    { "dirsync", MS_DIRSYNC, 0 },
    { "exec", 0, MS_NOEXEC },            { "mand", MS_MANDLOCK, 0 },
    { "noatime", MS_NOATIME, 0 },        { "nodev", MS_NODEV, 0 },
    { "nodiratime", MS_NODIRATIME, 0 },  { "noexec", MS_NOEXEC, 0 },
    { "nomand", 0, MS_MANDLOCK },        { "norelatime", 0, MS_RELATIME },
    { "nostrictatime", 0, MS_STRICTATIME }, { "nosuid", MS_NOSUID, 0 },
    { "relatime", MS_RELATIME, 0 },      { "remount", MS_REMOUNT, 0 },
    { "ro", MS_RDONLY, 0 },              { "rw", 0, MS_RDONLY },
    { "strictatime", MS_STRICTATIME, 0 }, { "suid", 0, MS_NOSUID },
    { "sync", MS_SYNCHRONOUS, 0 },
};

static const struct {
    const char *name;
    unsigned long propagation;
} propagation_options[] = {
    { "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
    { "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
    { "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
    { "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
};
/* clang-format on */

static bool
parse_flag(const char *option, CocoMountOptions *options)
{
    for (size_t i = 0; i < G_N_ELEMENTS(flag_options); i++) {
        if (strcmp(option, flag_options[i].name) == 0) {
            options->flags = (options->flags & ~flag_options[i].clear) | flag_options[i].set;
            return true;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(propagation_options); i++) {
        if (strcmp(option, propagation_options[i].name) == 0) {
            options->propagation = propagation_options[i].propagation;
            return true;
        }
    }
    return false;
}

void
coco_mount_options_parse(char *const *options, size_t n_options, CocoMountOptions *out_options)
{
    g_autoptr(GString) data = g_string_new(NULL);

    *out_options = (CocoMountOptions){ 0 };
    for (size_t i = 0; i < n_options; i++) {
        if (!parse_flag(options[i], out_options))
            g_string_append_printf(data, "%s%s", data->len > 0 ? "," : "", options[i]);
    }
    out_options->data = g_string_free(g_steal_pointer(&data), FALSE);
}

void
coco_mount_options_clear(CocoMountOptions *options)
{
    g_clear_pointer(&options->data, g_free);
}

static uint64_t
attributes_of(unsigned long flags)
{
    static const struct {
        unsigned long flag;
        uint64_t attribute;
    } rows[] = {
        { MS_RDONLY, MOUNT_ATTR_RDONLY },         { MS_NOSUID, MOUNT_ATTR_NOSUID },
        { MS_NODEV, MOUNT_ATTR_NODEV },           { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
        { MS_NODIRATIME, MOUNT_ATTR_NODIRATIME }, { MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
        { MS_NOATIME, MOUNT_ATTR_NOATIME },       { MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
    };
    uint64_t attributes = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if ((flags & rows[i].flag) != 0)
            attributes |= rows[i].attribute;
    }
    return attributes;
}

static bool
bind(const char *source, int point, unsigned long flags, GError **error)
{
    bool recursive = (flags & MS_REC) != 0;
    g_auto(CocoFd) tree = coco_mount_tree_clone(source, recursive, error);

    return tree >= 0 && coco_mount_tree_set(tree, attributes_of(flags), 0, false, error) &&
           coco_mount_tree_attach(tree, point, error);
}

/* An overlay whose lower layers are named relative to a directory. */
static bool
mount_from(const char *directory, const char *source, const char *target, unsigned long flags,
           const char *data, GError **error)
{
    g_auto(CocoFd) here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool mounted =
        here >= 0 && chdir(directory) == 0 && mount(source, target, "overlay", flags, data) == 0;

    if (!mounted)
        (void) coco_system_error(error, "mount", source);
    return (here < 0 || fchdir(here) == 0 || coco_system_error(error, "leave", directory)) &&
           mounted;
}

static bool
mount_overlay(const char *source, const char *target, const CocoMountOptions *options,
              GError **error)
{
    g_autofree char *directory = NULL;
    g_autofree char *data = coco_overlay_data_compact(options->data, &directory);

    if (data != NULL && strlen(data) <= DATA_MAX)
        return mount_from(directory, source, target, options->flags, data, error);
    errno = E2BIG;
    return coco_system_error(error, "mount", source);
}

bool
coco_mount(const char *type, const char *source, int point, const CocoMountOptions *options,
           GError **error)
{
    /* The link of /proc leads to what is open, not to what its name may mean by now. */
    g_autofree char *target = g_strdup_printf("/proc/self/fd/%d", point);

    if ((options->flags & MS_BIND) != 0)
        return bind(source, point, options->flags, error);
    if (strlen(options->data) > DATA_MAX && strcmp(type, "overlay") == 0)
        return mount_overlay(source, target, options, error);
    if (strlen(options->data) > DATA_MAX) {
        errno = E2BIG;
        return coco_system_error(error, "mount", source);
    }
    return mount(source, target, type, options->flags, options->data) == 0 ||
           coco_system_error(error, "mount", source);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A directory that is not empty has its own directories moved up, next to itself, and is then
 * empty: so two descriptors do for any depth, and nothing recurses.
 */
#include "shim/host/tree-remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "guest-protocol/posix/fd.h"

/* Mounts stacked on one place. */
#define ROUNDS_MAX 64

/* The mount points below prefix whose own parent is not mounted there as well, innermost of a stack
 * last. What is mounted below one goes with it, so no path is looked up that a guest may write. */
static char **
outermost_mounts(const char *prefix)
{
    g_autofree char *table = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GStrvBuilder) found = g_strv_builder_new();
    g_autoptr(GHashTable) below = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (!g_file_get_contents("/proc/self/mountinfo", &table, NULL, NULL))
        return g_new0(char *, 1);
    lines = g_strsplit(table, "\n", -1);
    for (size_t i = 0; lines[i] != NULL; i++) {
        g_auto(GStrv) fields = g_strsplit(lines[i], " ", 6);
        g_autofree char *target = NULL;

        if (g_strv_length(fields) < 5)
            continue;
        target = g_strcompress(fields[4]);
        if (!g_str_has_prefix(target, prefix))
            continue;
        if (!g_hash_table_contains(below, fields[1]))
            g_strv_builder_add(found, target);
        g_hash_table_add(below, g_strdup(fields[0]));
    }
    return g_strv_builder_end(found);
}

static void
unmount_below(const char *path)
{
    g_autofree char *prefix = g_strconcat(path, "/", NULL);
    bool any = true;

    for (unsigned int round = 0; any && round < ROUNDS_MAX; round++) {
        g_auto(GStrv) targets = outermost_mounts(prefix);

        any = false;
        for (size_t i = 0; targets[i] != NULL; i++) {
            if (umount2(targets[i], MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
                any = true;
        }
    }
}

/* A server that does not answer is not asked. */
static bool
is_mount_root(int parent, const char *name)
{
    struct statx info;

    if (statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &info) !=
        0)
        return errno != ENOENT; /* in doubt keep our hands off */
    return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* True when it is gone. False with EISDIR for a directory that is not empty, else what failed. */
static bool
remove_one(int parent, const char *name)
{
    if (is_mount_root(parent, name)) {
        errno = EBUSY;
        return false;
    }
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return false;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    if (errno == ENOTEMPTY || errno == EEXIST)
        errno = EISDIR;
    return false;
}

typedef struct {
    int top;
    uint64_t moved; /* names used for what was moved up */
} Removal;

typedef bool (*EntryFunc)(Removal *removal, int parent, const char *name);

static DIR *
open_entries(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;

    if (entries == NULL)
        coco_fd_close(fd);
    return entries;
}

/* Calls func for each entry; false with errno from the first that fails. */
static bool
each_entry(Removal *removal, int parent, const char *name, EntryFunc func)
{
    DIR *entries = open_entries(parent, name);
    struct dirent *entry;
    bool ok = true;
    int code;

    if (entries == NULL)
        return errno == ENOENT;
    while (ok && (entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = func(removal, dirfd(entries), entry->d_name);
    }
    code = errno;
    (void) closedir(entries);
    errno = code;
    return ok;
}

/* The name may be taken by an entry of the guest's: then the next one. */
static bool
move_up(Removal *removal, int parent, const char *name)
{
    do {
        char moved[32];

        (void) snprintf(moved, sizeof(moved), ".removed-%" G_GUINT64_FORMAT, removal->moved++);
        if (renameat2(parent, name, removal->top, moved, RENAME_NOREPLACE) == 0)
            return true;
    } while (errno == EEXIST);
    return false;
}

static bool
remove_or_move_up(Removal *removal, int parent, const char *name)
{
    return remove_one(parent, name) || (errno == EISDIR && move_up(removal, parent, name));
}

static bool
empty_and_remove(Removal *removal, int parent, const char *name)
{
    if (remove_one(parent, name))
        return true;
    return errno == EISDIR && each_entry(removal, parent, name, remove_or_move_up) &&
           (remove_one(parent, name) || errno == EISDIR);
}

bool
coco_tree_remove(const char *path)
{
    g_auto(CocoFd) top = -1;
    Removal removal = { 0 };

    unmount_below(path);
    top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top < 0)
        return errno == ENOENT;
    removal.top = top;
    /* Each round takes a level away; it ends when a level is missing or cannot be taken. */
    while (each_entry(&removal, top, ".", empty_and_remove)) {
        if (rmdir(path) == 0 || errno == ENOENT)
            return true;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return false;
    }
    return false;
}

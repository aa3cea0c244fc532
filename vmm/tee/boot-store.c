// SPDX-License-Identifier: Apache-2.0
/*
 * Files in one directory (boot-store.h). They appear by rename under the lock, whole or not at all.
 */
#include "vmm/tee/boot-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <time.h>

#include "guest-protocol/posix/fd.h"

/* Kernel, initrd and firmware of two guest images. */
#define MAX_IMAGES 6
#define MAX_TEXTS 32
#define MAX_TEXT_BYTES ((size_t) 64 * 1024)
#define TEXT_SUFFIX ".json"

/* What is written before it has its name; one at a time has the lock. */
#define FRESH "fresh"

CocoFd
coco_boot_store_open(const char *path)
{
    g_auto(CocoFd) fd = -1;
    struct stat info;

    if (g_mkdir_with_parents(path, 0711) == 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return -1;
    if (info.st_uid != geteuid() || (info.st_mode & 0022) != 0) {
        errno = EPERM;
        return -1;
    }
    return flock(fd, LOCK_EX) == 0 ? coco_fd_steal(&fd) : -1;
}

bool
coco_boot_store_copy(int from, int to, off_t size)
{
    off_t at = 0;

    if (ioctl(to, FICLONE, from) == 0)
        return true;
    while (at < size) {
        ssize_t n = sendfile(to, from, &at, (size_t) MIN(size - at, 1 << 30));

        if (n == 0)
            errno = EIO; /* it has become shorter */
        if (n <= 0)
            return false;
    }
    return true;
}

/* NULL with errno for a file of which this says too little. */
static char *
identity(int source, const struct stat *info)
{
    g_autofree char *text = NULL;
    struct statvfs system;
    struct timespec now;

    if (fstatvfs(source, &system) < 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
        return NULL;
    if ((system.f_flag & ST_RDONLY) != 0 || info->st_ctim.tv_sec + 1 >= now.tv_sec) {
        errno = EAGAIN;
        return NULL;
    }
    text = g_strdup_printf(
        "%lx %lx %lx %lx %lx.%lx %lx.%lx", system.f_fsid, info->st_dev, info->st_ino,
        (unsigned long) info->st_size, (unsigned long) info->st_mtim.tv_sec,
        (unsigned long) info->st_mtim.tv_nsec, (unsigned long) info->st_ctim.tv_sec,
        (unsigned long) info->st_ctim.tv_nsec);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
}

static bool
is_ours(int store, const char *name, mode_t mode, struct stat *out_info)
{
    return fstatat(store, name, out_info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(out_info->st_mode) &&
           out_info->st_uid == geteuid() && (out_info->st_mode & 07777) == mode;
}

/* The time of the last use, by which the store forgets; the file's other times stay. */
static void
mark_used(int store, const char *name)
{
    const struct timespec times[] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };

    (void) utimensat(store, name, times, AT_SYMLINK_NOFOLLOW);
}

static CocoFd
create(int store, mode_t mode)
{
    g_auto(CocoFd) fd = -1;

    (void) unlinkat(store, FRESH, 0);
    fd = openat(store, FRESH, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    return fd >= 0 && fchmod(fd, mode) == 0 ? coco_fd_steal(&fd) : -1;
}

static bool
publish(int store, const char *name, bool whole)
{
    int err;

    if (whole && renameat(store, FRESH, store, name) == 0)
        return true;
    err = errno;
    (void) unlinkat(store, FRESH, 0);
    errno = err;
    return false;
}

static bool
is_unchanged(int source, const struct stat *before)
{
    struct stat now;

    if (fstat(source, &now) < 0)
        return false;
    errno = EAGAIN;
    return now.st_size == before->st_size &&
           memcmp(&now.st_mtim, &before->st_mtim, sizeof now.st_mtim) == 0 &&
           memcmp(&now.st_ctim, &before->st_ctim, sizeof now.st_ctim) == 0;
}

static bool
add_image(int store, const char *name, int source, const struct stat *info)
{
    g_auto(CocoFd) fd = create(store, 0444);

    return fd >= 0 &&
           publish(store, name,
                   coco_boot_store_copy(source, fd, info->st_size) && is_unchanged(source, info));
}

typedef struct {
    char *name;
    struct timespec used;
} Entry;

static void
entry_clear(void *data)
{
    Entry *entry = data;

    g_free(entry->name);
}

static int
later_first(const void *left, const void *right)
{
    const struct timespec *a = &((const Entry *) left)->used;
    const struct timespec *b = &((const Entry *) right)->used;

    if (a->tv_sec != b->tv_sec)
        return a->tv_sec > b->tv_sec ? -1 : 1;
    return (a->tv_nsec < b->tv_nsec) - (a->tv_nsec > b->tv_nsec);
}

static GArray *
list(int store, bool texts)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    int fd = openat(store, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *found;

    g_array_set_clear_func(entries, entry_clear);
    while (dir != NULL && (found = readdir(dir)) != NULL) {
        struct stat info;
        Entry entry;

        if (g_str_has_suffix(found->d_name, TEXT_SUFFIX) != texts ||
            fstatat(store, found->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(info.st_mode))
            continue;
        entry = (Entry){ g_strdup(found->d_name), info.st_atim };
        g_array_append_val(entries, entry);
    }
    if (dir != NULL)
        (void) closedir(dir);
    return entries;
}

/* Under the lock. */
static void
forget_old(int store, bool texts, unsigned int max)
{
    g_autoptr(GArray) entries = list(store, texts);

    g_array_sort(entries, later_first);
    for (unsigned int i = max; i < entries->len; i++)
        (void) unlinkat(store, g_array_index(entries, Entry, i).name, 0);
}

char *
coco_boot_store_link(int store, int source, const struct stat *info, const char *link)
{
    g_autofree char *name = identity(source, info);
    struct stat stored;

    if (name == NULL)
        return NULL;
    if ((!is_ours(store, name, 0444, &stored) || stored.st_size != info->st_size) &&
        !add_image(store, name, source, info))
        return NULL;
    mark_used(store, name);
    if (linkat(store, name, AT_FDCWD, link, 0) < 0)
        return NULL;
    forget_old(store, false, MAX_IMAGES);
    return g_steal_pointer(&name);
}

char *
coco_boot_store_read(int store, const char *digest)
{
    g_autofree char *name = g_strconcat(digest, TEXT_SUFFIX, NULL);
    g_autofree char *text = g_malloc0(MAX_TEXT_BYTES + 1);
    g_auto(CocoFd) fd = -1;
    struct stat info;

    if (!is_ours(store, name, 0600, &info) || info.st_size > (off_t) MAX_TEXT_BYTES)
        return NULL;
    fd = openat(store, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || read(fd, text, MAX_TEXT_BYTES) != info.st_size)
        return NULL;
    mark_used(store, name);
    return g_steal_pointer(&text);
}

bool
coco_boot_store_write(int store, const char *digest, const char *text)
{
    g_autofree char *name = g_strconcat(digest, TEXT_SUFFIX, NULL);
    g_auto(CocoFd) fd = create(store, 0600);
    size_t len = strlen(text);

    if (fd < 0 || len > MAX_TEXT_BYTES ||
        !publish(store, name, write(fd, text, len) == (ssize_t) len))
        return false;
    mark_used(store, name);
    forget_old(store, true, MAX_TEXTS);
    return true;
}

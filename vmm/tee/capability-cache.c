// SPDX-License-Identifier: Apache-2.0
/*
 * Seeding and publishing libvirt's capability cache (capability-cache.h).
 */
#include "vmm/tee/capability-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "vmm/config/vmm-error.h"

/* 60 to 200 KiB in practice. */
#define MAX_FILE_BYTES ((size_t) 4 * 1024 * 1024)

/* libvirt names the file after the emulator's path. */
static char *
file_name(const char *emulator)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, emulator, -1);

    return g_strconcat(sum, ".xml", NULL);
}

/* The whole file, or NULL when there is none that is worth having. */
static GBytes *
read_whole(const char *path)
{
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    g_autofree char *bytes = NULL;
    struct stat info;
    size_t len = 0;
    ssize_t n = 1;

    if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size <= 0 ||
        (size_t) info.st_size > MAX_FILE_BYTES)
        return NULL;
    bytes = g_malloc((size_t) info.st_size);
    while (len < (size_t) info.st_size && n > 0) {
        n = read(fd, bytes + len, (size_t) info.st_size - len);
        len += n > 0 ? (size_t) n : 0;
    }
    return len == (size_t) info.st_size ? g_bytes_new_take(g_steal_pointer(&bytes), len) : NULL;
}

static bool
write_whole(const char *path, GBytes *bytes, GError **error)
{
    g_autofree char *fresh = g_strdup_printf("%s.%d", path, (int) getpid());
    g_auto(CocoFd) fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t len;
    const void *data = g_bytes_get_data(bytes, &len);
    ssize_t n;

    if (fd < 0)
        return coco_vmm_error_errno(error, errno, "write '%s'", path);
    n = write(fd, data, len);
    if (n != (ssize_t) len || rename(fresh, path) < 0) {
        int err = n >= 0 && n != (ssize_t) len ? ENOSPC : errno;

        (void) unlink(fresh);
        return coco_vmm_error_errno(error, err, "write '%s'", path);
    }
    return true;
}

static bool
lock(const char *cache_dir, int *out_lock, GError **error)
{
    g_autofree char *path = g_build_filename(cache_dir, "lock", NULL);
    g_auto(CocoFd) fd = -1;

    if (g_mkdir_with_parents(cache_dir, 0700) < 0)
        return coco_vmm_error_errno(error, errno, "make cache directory '%s'", cache_dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return coco_vmm_error_errno(error, errno, "lock '%s'", path);
    *out_lock = coco_fd_steal(&fd);
    return true;
}

bool
coco_capability_cache_seed(const char *cache_dir, const char *run_dir, const char *emulator,
                           int *out_lock, GError **error)
{
    g_autofree char *name = file_name(emulator);
    g_autofree char *shared = g_build_filename(cache_dir, name, NULL);
    g_autofree char *own = g_build_filename(run_dir, "vm/cache/qemu/capabilities", name, NULL);
    g_autoptr(GBytes) bytes = read_whole(shared);
    g_auto(CocoFd) held = -1;

    if (bytes == NULL) {
        if (!lock(cache_dir, &held, error))
            return false;
        bytes = read_whole(shared); /* another pod may have published while this one waited */
    }
    if (bytes != NULL) {
        coco_fd_clear(&held);
        if (!write_whole(own, bytes, error))
            return false;
    }
    *out_lock = coco_fd_steal(&held);
    return true;
}

bool
coco_capability_cache_publish(const char *cache_dir, const char *run_dir, const char *emulator,
                              GError **error)
{
    g_autofree char *name = file_name(emulator);
    g_autofree char *shared = g_build_filename(cache_dir, name, NULL);
    g_autofree char *own = g_build_filename(run_dir, "vm/cache/qemu/capabilities", name, NULL);
    g_autoptr(GBytes) fresh = read_whole(own);
    g_autoptr(GBytes) known = read_whole(shared);

    if (fresh == NULL || (known != NULL && g_bytes_equal(fresh, known)))
        return true;
    return write_whole(shared, fresh, error);
}

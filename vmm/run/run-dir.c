// SPDX-License-Identifier: Apache-2.0
/*
 * Making, locking and removing what the launcher owns in a run directory (run-dir.h).
 *
 * The lock is flock() on the directory itself: it leaves no file, and it dies with the process that
 * holds it. Parts of RUN/vm belong to the QEMU user, which the guest may have taken over: so
 * nothing here follows a symbolic link below RUN/vm.
 */
#include "vmm/run/run-dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/uid-pool.h"

/* The longest socket path that libvirt makes below the root; the domain's name is always "coco". */
#define LONGEST_SOCKET "/vm/lib/qemu/domain-1-coco/monitor.sock"

/* Deeper than anything libvirt makes; a bound because the tree may be hostile. */
#define MAX_DEPTH 16

struct _CocoRunDir {
    char *path;
    CocoFd lock;
};

/* What the launcher owns in RUN beside vm/. */
static const char *const owned_files[] = { "agent.sock", "console.sock", "console.log" };

CocoRunDir *
coco_run_dir_new(const char *path, GError **error)
{
    size_t max = sizeof(((struct sockaddr_un *) NULL)->sun_path) - sizeof LONGEST_SOCKET;
    CocoRunDir *run_dir;

    if (!g_path_is_absolute(path) || strcmp(path, "/") == 0) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "run directory '%s': an absolute path is needed", path);
        return NULL;
    }
    if (strpbrk(path, ",\n\t ") != NULL) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "run directory '%s': blanks and commas are not possible in it", path);
        return NULL;
    }
    run_dir = g_new0(CocoRunDir, 1);
    run_dir->path = g_canonicalize_filename(path, NULL);
    run_dir->lock = -1;
    if (strlen(run_dir->path) > max) {
        g_set_error(
            error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
            "run directory '%s': longer than %zu bytes, so that socket paths below it would "
            "exceed the kernel's limit",
            path, max);
        g_clear_pointer(&run_dir, coco_run_dir_free);
    }
    return run_dir;
}

void
coco_run_dir_free(CocoRunDir *run_dir)
{
    if (run_dir == NULL)
        return;
    coco_fd_clear(&run_dir->lock);
    g_free(run_dir->path);
    g_free(run_dir);
}

const char *
coco_run_dir_path(const CocoRunDir *run_dir)
{
    return run_dir->path;
}

char *
coco_run_dir_file(const CocoRunDir *run_dir, const char *name)
{
    return g_strconcat(run_dir->path, "/", name, NULL);
}

bool
coco_run_dir_claim(CocoRunDir *run_dir, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(run_dir->path);
    g_auto(CocoFd) fd = -1;

    if (g_mkdir_with_parents(parent, 0711) < 0)
        return coco_vmm_error_errno(error, errno, "make directory '%s'", parent);
    /* mkdir() obeys the umask and the search bit for the QEMU user must be there, hence chmod. */
    if (mkdir(run_dir->path, 0711) == 0 && chmod(run_dir->path, 0711) < 0)
        return coco_vmm_error_errno(error, errno, "set the mode of '%s'", run_dir->path);
    fd = open(run_dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return coco_vmm_error_errno(error, errno, "make run directory '%s'", run_dir->path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return coco_vmm_error_errno(error, errno, "lock run directory '%s'", run_dir->path);
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BUSY,
                    "run directory '%s': another launch is under way in it", run_dir->path);
        return false;
    }
    run_dir->lock = coco_fd_steal(&fd);
    return true;
}

static bool remove_tree(int dir_fd, const char *name, unsigned int depth);

static bool
remove_entries(int fd, unsigned int depth)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    bool removed = true;

    if (dir == NULL)
        return false;
    while (removed && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            removed = remove_tree(dirfd(dir), entry->d_name, depth + 1);
    }
    (void) closedir(dir);
    return removed;
}

/* Removes a file or a whole directory; errno on failure. An absent one is removed already. */
static bool
remove_tree(int dir_fd, const char *name, unsigned int depth)
{
    int fd;

    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return false;
    if (depth > MAX_DEPTH) {
        errno = ELOOP;
        return false;
    }
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    if (!remove_entries(fd, depth))
        return false;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static bool
remove_owned(const CocoRunDir *run_dir, GError **error)
{
    g_auto(CocoFd) fd = open(run_dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ||
               coco_vmm_error_errno(error, errno, "open run directory '%s'", run_dir->path);
    coco_uid_pool_release(run_dir->path);
    if (!remove_tree(fd, "vm", 0))
        return coco_vmm_error_errno(error, errno, "remove '%s/vm'", run_dir->path);
    for (size_t i = 0; i < G_N_ELEMENTS(owned_files); i++) {
        if (unlinkat(fd, owned_files[i], 0) < 0 && errno != ENOENT)
            return coco_vmm_error_errno(error, errno, "remove '%s/%s'", run_dir->path,
                                        owned_files[i]);
    }
    return true;
}

bool
coco_run_dir_prepare(CocoRunDir *run_dir, GError **error)
{
    static const char *const dirs[] = { "vm", "vm/etc", "vm/cache", "vm/cache/qemu",
                                        "vm/cache/qemu/capabilities" };

    if (!remove_owned(run_dir, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = coco_run_dir_file(run_dir, dirs[i]);

        if (mkdir(path, 0711) < 0 || chmod(path, 0711) < 0)
            return coco_vmm_error_errno(error, errno, "make directory '%s'", path);
    }
    return true;
}

bool
coco_run_dir_remove(const CocoRunDir *run_dir, GError **error)
{
    if (!remove_owned(run_dir, error))
        return false;
    if (rmdir(run_dir->path) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST &&
        errno != EBUSY)
        return coco_vmm_error_errno(error, errno, "remove run directory '%s'", run_dir->path);
    return true;
}

bool
coco_run_dir_write(const CocoRunDir *run_dir, const char *name, const char *text, GError **error)
{
    g_autofree char *path = coco_run_dir_file(run_dir, name);
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    g_auto(CocoFd) fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t len = strlen(text);
    ssize_t n;

    if (fd < 0)
        return coco_vmm_error_errno(error, errno, "write '%s'", path);
    n = write(fd, text, len);
    if (n < 0 || (size_t) n < len) {
        int err = n < 0 ? errno : ENOSPC;

        (void) unlink(fresh);
        return coco_vmm_error_errno(error, err, "write '%s'", path);
    }
    if (rename(fresh, path) < 0)
        return coco_vmm_error_errno(error, errno, "write '%s'", path);
    return true;
}

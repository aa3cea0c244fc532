// SPDX-License-Identifier: Apache-2.0
/*
 * Opens, copies and decodes (boot-files.h).
 *
 * What cannot be had from the store is copied for this VM alone, which costs memory where the run
 * directory is on tmpfs, until QEMU has read it.
 */
#include "vmm/tee/boot-files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/byte-text.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/boot-store.h"

#define MAX_BLOB (64 * 1024)
#define MAX_IMAGE (G_GUINT64_CONSTANT(2) << 30)

typedef struct {
    CocoKey key;
    const char *name; /* of the copy; NULL for a blob */
    size_t size;      /* that a blob must have; 0: any */
} Kind;

static const Kind kinds[COCO_N_BOOT_FILES] = {
    [COCO_BOOT_KERNEL] = { COCO_KEY_GUEST_KERNEL, "kernel", 0 },
    [COCO_BOOT_INITRD] = { COCO_KEY_GUEST_INITRD, "initrd", 0 },
    [COCO_BOOT_FIRMWARE] = { COCO_KEY_GUEST_FIRMWARE, "firmware", 0 },
    [COCO_BOOT_ID_BLOCK] = { COCO_KEY_SNP_ID_BLOCK, NULL, 96 },
    [COCO_BOOT_ID_AUTH] = { COCO_KEY_SNP_ID_AUTH, NULL, 4096 },
    [COCO_BOOT_DH_CERT] = { COCO_KEY_SEV_DH_CERT, NULL, 0 },
    [COCO_BOOT_SESSION] = { COCO_KEY_SEV_SESSION, NULL, 0 },
};

struct _CocoBootFiles {
    const CocoVmConfig *config;
    bool copied;
    int fds[COCO_N_BOOT_FILES];
    struct stat opened[COCO_N_BOOT_FILES];
    char *paths[COCO_N_BOOT_FILES];
    char *stored[COCO_N_BOOT_FILES]; /* names in the store; nullable */
    GBytes *blobs[COCO_N_BOOT_FILES];
};

static bool
cannot(const CocoVmConfig *config, CocoKey key, int err, GError **error)
{
    return coco_vm_config_error(config, key, error, "read '%s': %s",
                                coco_vm_config_string(config, key), g_strerror(err));
}

/* O_NONBLOCK: a FIFO by this name must not hang the launch. */
static int
open_file(const CocoVmConfig *config, CocoKey key, guint64 max, struct stat *out_info,
          GError **error)
{
    g_auto(CocoFd) fd =
        open(coco_vm_config_string(config, key), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, out_info) < 0)
        return (void) cannot(config, key, errno, error), -1;
    if (!S_ISREG(out_info->st_mode))
        return (void) cannot(config, key, S_ISDIR(out_info->st_mode) ? EISDIR : EINVAL, error), -1;
    if (out_info->st_size == 0)
        return (void) coco_vm_config_error(config, key, error, "'%s' is empty",
                                           coco_vm_config_string(config, key)),
               -1;
    if ((guint64) out_info->st_size > max)
        return (void) cannot(config, key, EFBIG, error), -1;
    return coco_fd_steal(&fd);
}

/* White space in the text does not count. */
static GBytes *
decode_base64(GBytes *raw)
{
    gsize length = 0;
    const char *data = g_bytes_get_data(raw, &length);
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isspace(data[i]))
            g_string_append_c(text, data[i]);
    }
    if (text->len == 0 || strlen(text->str) != text->len)
        return NULL;
    return coco_bytes_of_base64(text->str);
}

static GBytes *
read_blob(const CocoVmConfig *config, const Kind *kind, GError **error)
{
    struct stat info;
    g_auto(CocoFd) fd = open_file(config, kind->key, MAX_BLOB, &info, error);
    g_autofree guchar *data = g_malloc(MAX_BLOB + 1);
    g_autoptr(GBytes) raw = NULL;
    g_autoptr(GBytes) decoded = NULL;
    ssize_t n;

    if (fd < 0)
        return NULL;
    n = read(fd, data, MAX_BLOB + 1);
    if (n < 0 || n > MAX_BLOB)
        return (void) cannot(config, kind->key, n < 0 ? errno : EFBIG, error), NULL;
    raw = g_bytes_new_take(g_steal_pointer(&data), (gsize) n);
    if (kind->size != 0 && (size_t) n == kind->size)
        return g_steal_pointer(&raw);
    decoded = decode_base64(raw);
    if (kind->size == 0)
        return decoded != NULL ? g_steal_pointer(&decoded) : g_steal_pointer(&raw);
    if (decoded == NULL || g_bytes_get_size(decoded) != kind->size) {
        (void) coco_vm_config_error(config, kind->key, error,
                                    "'%s' is neither %zu bytes nor the base64 of them",
                                    coco_vm_config_string(config, kind->key), kind->size);
        return NULL;
    }
    return g_steal_pointer(&decoded);
}

CocoBootFiles *
coco_boot_files_new(const CocoVmConfig *config, GError **error)
{
    g_autoptr(CocoBootFiles) files = g_new0(CocoBootFiles, 1);

    files->config = config;
    for (size_t i = 0; i < COCO_N_BOOT_FILES; i++)
        files->fds[i] = -1;
    for (size_t i = 0; i < COCO_N_BOOT_FILES; i++) {
        if (kinds[i].name != NULL || !coco_vm_config_is_set(config, kinds[i].key))
            continue;
        files->blobs[i] = read_blob(config, &kinds[i], error);
        if (files->blobs[i] == NULL)
            return NULL;
    }
    return g_steal_pointer(&files);
}

/* The copy is read-only for everybody, and its directory is root's. -1 with errno. */
static int
make_copy(CocoBootFiles *files, size_t i, int store, const char *path)
{
    int from = files->fds[i];
    g_auto(CocoFd) to = -1;

    if (store >= 0)
        files->stored[i] = coco_boot_store_link(store, from, &files->opened[i], path);
    if (files->stored[i] != NULL)
        return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (to < 0 || fchmod(to, 0444) < 0 || !coco_boot_store_copy(from, to, files->opened[i].st_size))
        return -1;
    return coco_fd_steal(&to);
}

static bool
copy_image(CocoBootFiles *files, size_t i, const char *dir, int store, GError **error)
{
    g_autofree char *path = g_build_filename(dir, kinds[i].name, NULL);
    g_auto(CocoFd) copy = make_copy(files, i, store, path);
    struct stat info;

    if (copy < 0 || fstat(copy, &info) < 0)
        return coco_vmm_error_errno(error, errno, "copy '%s' to '%s'", files->paths[i], path);
    coco_fd_clear(&files->fds[i]);
    files->fds[i] = coco_fd_steal(&copy);
    files->opened[i] = info;
    g_free(files->paths[i]);
    files->paths[i] = g_steal_pointer(&path);
    return true;
}

static bool
open_images(CocoBootFiles *files, const char *copy_dir, int store, GError **error)
{
    const CocoVmConfig *config = files->config;

    for (size_t i = 0; i < COCO_N_BOOT_FILES; i++) {
        const char *path = coco_vm_config_string(config, kinds[i].key);

        if (kinds[i].name == NULL || path[0] == '\0')
            continue;
        files->fds[i] = open_file(config, kinds[i].key, MAX_IMAGE, &files->opened[i], error);
        if (files->fds[i] < 0)
            return false;
        files->paths[i] = g_strdup(path);
        if (copy_dir != NULL && !copy_image(files, i, copy_dir, store, error))
            return false;
    }
    return true;
}

bool
coco_boot_files_open(CocoBootFiles *files, const char *copy_dir, const char *store, GError **error)
{
    g_auto(CocoFd) lock = -1;

    files->copied =
        coco_vm_config_choice(files->config, COCO_KEY_HOST_BOOT_FILES) == COCO_BOOT_FILES_COPY;
    if (!files->copied)
        return open_images(files, NULL, -1, error);
    if (mkdir(copy_dir, 0755) < 0)
        return coco_vmm_error_errno(error, errno, "make '%s'", copy_dir);
    if (store != NULL)
        lock = coco_boot_store_open(store);
    return open_images(files, copy_dir, lock, error);
}

bool
coco_boot_files_open_shared(CocoBootFiles *files, GError **error)
{
    return open_images(files, NULL, -1, error);
}

CocoKey
coco_boot_file_key(CocoBootFile file)
{
    return kinds[file].key;
}

const char *
coco_boot_files_path(const CocoBootFiles *files, CocoBootFile file)
{
    return files->paths[file];
}

int
coco_boot_files_fd(const CocoBootFiles *files, CocoBootFile file)
{
    return files->fds[file];
}

const char *
coco_boot_files_stored(const CocoBootFiles *files, CocoBootFile file)
{
    return files->stored[file];
}

GBytes *
coco_boot_files_blob(const CocoBootFiles *files, CocoBootFile file)
{
    return files != NULL ? files->blobs[file] : NULL;
}

/* Each link to a copy, and its end, is a change of its state: of a copy that time means nothing. */
static bool
same(const struct stat *a, const struct stat *b, bool copied)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           (copied ||
            (a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec));
}

bool
coco_boot_files_check(const CocoBootFiles *files, GError **error)
{
    for (size_t i = 0; i < COCO_N_BOOT_FILES; i++) {
        struct stat now;

        if (files->fds[i] < 0)
            continue;
        if (stat(files->paths[i], &now) < 0 || !same(&now, &files->opened[i], files->copied))
            return coco_vmm_failed(
                error, "start VM: [guest] %s: '%s' was changed while it was measured and started",
                kinds[i].name, files->paths[i]);
    }
    return true;
}

void
coco_boot_files_drop_copies(CocoBootFiles *files)
{
    for (size_t i = 0; files->copied && i < COCO_N_BOOT_FILES; i++) {
        if (files->paths[i] != NULL)
            (void) unlink(files->paths[i]);
    }
}

void
coco_boot_files_free(CocoBootFiles *files)
{
    if (files == NULL)
        return;
    for (size_t i = 0; i < COCO_N_BOOT_FILES; i++) {
        coco_fd_clear(&files->fds[i]);
        g_free(files->paths[i]);
        g_free(files->stored[i]);
        g_clear_pointer(&files->blobs[i], g_bytes_unref);
    }
    g_free(files);
}

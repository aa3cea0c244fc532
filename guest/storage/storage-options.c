// SPDX-License-Identifier: Apache-2.0
/*
 * Which options a storage may have. What is in no list is refused: an unknown word may make
 * mount(2) do something else than mount the file system that was checked (bind, move, remount), or
 * name another device or directory.
 *
 * Source: Kata src/agent/src/storage/, mount(8), Documentation/filesystems.
 */
#include <string.h>
#include <sys/mount.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/storage/storage-private.h"

#define VALUE_MAX 32

typedef struct {
    const char *option;
    unsigned long flag;
    bool clears;
} MountFlag;

/* clang-format off */
static const MountFlag mount_flags[] = {
    { "ro", MS_RDONLY, false },       { "rw", MS_RDONLY, true },
    { "nosuid", MS_NOSUID, false },   { "suid", MS_NOSUID, true },
    { "nodev", MS_NODEV, false },     { "dev", MS_NODEV, true },
    { "noexec", MS_NOEXEC, false },   { "exec", MS_NOEXEC, true },
    { "sync", MS_SYNCHRONOUS, false }, { "async", MS_SYNCHRONOUS, true },
    { "dirsync", MS_DIRSYNC, false }, { "noatime", MS_NOATIME, false },
    { "nodiratime", MS_NODIRATIME, false }, { "relatime", MS_RELATIME, false },
    { "strictatime", MS_STRICTATIME, false }, { "defaults", 0, false },
};

/* The file system's own words; one that ends in '=' takes a plain value. */
static const struct {
    const char *kind;
    const char *words[14];
} own_words[] = {
    { "virtiofs", { "dax", "dax=always", "dax=never", "dax=inode" } },
    { "tmpfs", { "size=", "nr_blocks=", "nr_inodes=", "mode=", "uid=", "gid=", "huge=never", "huge=always",
                 "huge=within_size", "huge=advise", "noswap" } },
    { "hugetlbfs", { "pagesize=", "size=", "min_size=", "nr_inodes=", "mode=", "uid=", "gid=" } },
    { "ext", { "discard", "nodiscard", "errors=remount-ro", "errors=continue", "noload", "norecovery",
               "barrier", "data=ordered", "data=writeback", "user_xattr", "acl", "commit=", "resuid=" } },
    { "erofs", { "user_xattr", "nouser_xattr", "acl", "noacl" } },
    { "overlay", { "index=on", "index=off", "xino=on", "xino=off", "xino=auto", "volatile", "userxattr",
                   "metacopy=off", "redirect_dir=off", "redirect_dir=nofollow", "nfs_export=off" } },
};

/* Words that are for the agent and not for mount(2); one that ends in '=' takes any value. */
static const struct {
    const char *kind;
    const char *words[6];
} marks[] = {
    { "tmpfs", { "fsgid=" } },
    { "hugetlbfs", { "fsgid=" } },
    { "local", { "fsgid=", "mode=" } },
    { "overlay", { "lowerdir=", "upperdir=", "workdir=", "io.katacontainers.fs-opt.overlay-rw" } },
    { "ext", { "X-kata.multi-layer=true", "X-kata.overlay-upper", "X-kata.mkdir.path=",
               "io.katacontainers.fs-opt.block_device=file" } },
    { "erofs", { "X-kata.multi-layer=true", "X-kata.overlay-lower",
                 "io.katacontainers.fs-opt.block_device=file" } },
};
/* clang-format on */

static const char *
kind_of(const Grpc__Storage *storage)
{
    if (strcmp(storage->driver, "local") == 0)
        return "local";
    return g_str_has_prefix(storage->fstype, "ext") ? "ext" : storage->fstype;
}

static bool
is_plain(const char *value)
{
    size_t length = strlen(value);

    for (size_t i = 0; i < length; i++) {
        if (!g_ascii_isalnum(value[i]) && value[i] != '%')
            return false;
    }
    return length > 0 && length <= VALUE_MAX;
}

/* any_value: of a word that ends in '='; else it must be plain. */
static bool
is_one_of(const char *option, const char *const *words, size_t n, bool any_value)
{
    for (size_t i = 0; i < n && words[i] != NULL; i++) {
        if (!g_str_has_suffix(words[i], "=") && strcmp(option, words[i]) == 0)
            return true;
        if (g_str_has_suffix(words[i], "=") && g_str_has_prefix(option, words[i]))
            return any_value || is_plain(option + strlen(words[i]));
    }
    return false;
}

static const MountFlag *
find_flag(const char *option)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mount_flags); i++) {
        if (strcmp(option, mount_flags[i].option) == 0)
            return &mount_flags[i];
    }
    return NULL;
}

static bool
is_own_word(const char *kind, const char *option)
{
    for (size_t i = 0; i < G_N_ELEMENTS(own_words); i++) {
        if (strcmp(kind, own_words[i].kind) == 0)
            return is_one_of(option, own_words[i].words, G_N_ELEMENTS(own_words[i].words), false);
    }
    return false;
}

static bool
is_mark(const char *kind, const char *option)
{
    for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
        if (strcmp(kind, marks[i].kind) == 0)
            return is_one_of(option, marks[i].words, G_N_ELEMENTS(marks[i].words), true);
    }
    return false;
}

static bool
refuse(const Grpc__Storage *storage, const char *option, GError **error)
{
    g_autofree char *shown = g_strescape(option, NULL);

    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                             "storage '%.300s': a %.32s has no option '%.100s'",
                             storage->mount_point, kind_of(storage), shown);
}

bool
coco_storage_parse_options(const Grpc__Storage *storage, unsigned long *out_flags, char **out_data,
                           GError **error)
{
    const char *kind = kind_of(storage);
    unsigned long flags = 0;
    g_autoptr(GString) data = g_string_new(NULL);

    for (size_t i = 0; i < storage->n_options; i++) {
        const char *option = storage->options[i];
        const MountFlag *found = find_flag(option);

        if (found != NULL && strcmp(kind, "local") != 0)
            flags = found->clears ? flags & ~found->flag : flags | found->flag;
        else if (is_own_word(kind, option))
            g_string_append_printf(data, "%s%s", data->len > 0 ? "," : "", option);
        else if (!is_mark(kind, option) && *option != '\0')
            return refuse(storage, option, error);
    }
    *out_flags = flags;
    *out_data = g_string_free(g_steal_pointer(&data), FALSE);
    return true;
}

bool
coco_storage_parse_remount(const Grpc__Storage *storage, unsigned long mounted_flags,
                           char **out_data, GError **error)
{
    static const char *const kept[] = { "size=", "nr_inodes=", NULL };
    g_autoptr(GPtrArray) options = g_ptr_array_new();
    g_autoptr(GString) data = g_string_new(NULL);
    g_autofree char *unused = NULL;
    Grpc__Storage rest = *storage;
    unsigned long flags = 0;

    for (size_t i = 0; i < storage->n_options; i++) {
        if (strcmp(storage->options[i], "remount") == 0)
            continue;
        g_ptr_array_add(options, storage->options[i]);
        if (is_one_of(storage->options[i], kept, G_N_ELEMENTS(kept), false))
            g_string_append_printf(data, "%s%s", data->len > 0 ? "," : "", storage->options[i]);
    }
    rest.options = (char **) options->pdata;
    rest.n_options = options->len;
    if (!coco_storage_parse_options(&rest, &flags, &unused, error))
        return false;
    if (flags != 0 && flags != mounted_flags)
        return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                                 "storage '%.300s': it was mounted with other flags",
                                 storage->mount_point);
    *out_data = g_string_free(g_steal_pointer(&data), FALSE);
    return true;
}

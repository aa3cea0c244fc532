// SPDX-License-Identifier: Apache-2.0
/*
 * Reads config files, drop-ins and overrides into a CocoVmConfig (config.h).
 *
 * GLib's key file parser keeps no line numbers, so the line of a bad key is looked up again in the
 * text.
 */
#include "vmm/config/config-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"

/* A config is a page of text; anything bigger is the wrong file. */
#define MAX_FILE_BYTES (256 * 1024)

/* The 1-based line of "key" in "[group]" (of the group alone when key is NULL), or 0. */
static unsigned int
find_line(const char *text, const char *group, const char *key)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *header = g_strdup_printf("[%s]", group);
    unsigned int found = 0;
    bool inside = false;

    for (unsigned int i = 0; lines[i] != NULL; i++) {
        char *line = g_strstrip(lines[i]);

        if (line[0] == '[') {
            inside = g_str_has_prefix(line, header);
            if (inside && key == NULL)
                return i + 1;
        } else if (inside && key != NULL && g_str_has_prefix(line, key)) {
            const char *rest = line + strlen(key);

            if (*(rest + strspn(rest, " \t")) == '=')
                found = i + 1; /* the last one wins, as in the parser */
        }
    }
    return found;
}

/* "config 'name' line N", as far as it is known (transfer full). */
static char *
describe_place(const char *name, const char *text, const char *group, const char *key)
{
    unsigned int line = find_line(text, group, key);

    return line > 0 ? g_strdup_printf("config '%s' line %u", name, line)
                    : g_strdup_printf("config '%s'", name);
}

static bool
unknown(GError **error, const char *what)
{
    return coco_vmm_bad_config(error, "unknown %s", what);
}

static bool
add_key(CocoVmConfig *config, GKeyFile *file, const char *group, const char *name,
        const char *place, GError **error)
{
    g_autoptr(GError) escape_error = NULL;
    g_autofree char *value = NULL;
    CocoKey key;

    if (!coco_vm_config_find_key(group, name, &key))
        return unknown(error, "key");
    value = g_key_file_get_string(file, group, name, &escape_error);
    /* GLib may return a value and an error at once. */
    if (value == NULL || escape_error != NULL)
        return coco_vmm_bad_config(
            error, "the value is no UTF-8 or has a stray backslash (write \\\\ for one)");
    if (!coco_vm_config_set(config, key, value, error))
        return false;
    coco_vm_config_take_place(config, key, g_strdup(place));
    return true;
}

static bool
add_group(CocoVmConfig *config, GKeyFile *file, const char *name, const char *text,
          const char *group, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);
    CocoKey any;

    if (!coco_vm_config_find_key(group, NULL, &any)) {
        g_autofree char *place = describe_place(name, text, group, NULL);

        (void) unknown(error, "group");
        g_prefix_error(error, "%s: [%s]: ", place, group);
        return false;
    }
    for (size_t i = 0; keys != NULL && keys[i] != NULL; i++) {
        g_autofree char *place = describe_place(name, text, group, keys[i]);

        if (!add_key(config, file, group, keys[i], place, error)) {
            g_prefix_error(error, "%s: [%s] %s: ", place, group, keys[i]);
            return false;
        }
    }
    return true;
}

static bool
add_text(CocoVmConfig *config, const char *name, const char *text, size_t len, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) parse_error = NULL;
    g_auto(GStrv) groups = NULL;

    if (memchr(text, '\0', len) != NULL)
        return coco_vmm_bad_config(error, "config '%s': the file contains a NUL byte", name);
    if (!g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, &parse_error) &&
        !g_error_matches(parse_error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_NOT_FOUND))
        return coco_vmm_bad_config(error, "config '%s': %s", name, parse_error->message);
    groups = g_key_file_get_groups(file, NULL);
    for (size_t i = 0; groups[i] != NULL; i++) {
        if (!add_group(config, file, name, text, groups[i], error))
            return false;
    }
    return true;
}

static char *
read_text(const char *path, size_t *out_len, GError **error)
{
    /* O_NONBLOCK: a FIFO by this name must not hang the launch. */
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    g_autofree char *text = NULL;
    struct stat info;
    size_t len = 0;
    ssize_t n;

    if (fd < 0 || fstat(fd, &info) < 0)
        return coco_vmm_error_errno(error, errno, "read config '%s'", path), NULL;
    if (!S_ISREG(info.st_mode))
        return coco_vmm_error_errno(error, S_ISDIR(info.st_mode) ? EISDIR : EINVAL,
                                    "read config '%s'", path),
               NULL;
    text = g_malloc0(MAX_FILE_BYTES + 1);
    while (len < MAX_FILE_BYTES && (n = read(fd, text + len, MAX_FILE_BYTES - len)) != 0) {
        if (n < 0)
            return coco_vmm_error_errno(error, errno, "read config '%s'", path), NULL;
        len += (size_t) n;
    }
    if (len == MAX_FILE_BYTES)
        return coco_vmm_error_errno(error, EFBIG, "read config '%s'", path), NULL;
    *out_len = len;
    return g_steal_pointer(&text);
}

static bool
add_file(CocoVmConfig *config, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    size_t len = 0;

    text = read_text(path, &len, error);
    if (text == NULL) {
        if (error != NULL && *error != NULL)
            (*error)->code = COCO_VMM_ERROR_BAD_CONFIG;
        return false;
    }
    return add_text(config, path, text, len, error);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static bool
add_drop_ins(CocoVmConfig *config, const char *file, GError **error)
{
    g_autofree char *dir_path = g_strconcat(file, ".d", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) open_error = NULL;
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, &open_error);
    const char *name;

    if (dir == NULL) {
        if (g_error_matches(open_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return true;
        return coco_vmm_bad_config(error, "%s", open_error->message);
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        if (name[0] != '.' && g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_build_filename(dir_path, name, NULL));
    }
    qsort(names->pdata, names->len, sizeof names->pdata[0], compare_names);
    for (unsigned int i = 0; i < names->len; i++) {
        if (!add_file(config, names->pdata[i], error))
            return false;
    }
    return true;
}

static bool
add_override(CocoVmConfig *config, const char *text, GError **error)
{
    const char *equals = strchr(text, '=');
    const char *dot = strchr(text, '.');
    g_autofree char *group = NULL;
    g_autofree char *name = NULL;
    CocoKey key;

    if (equals == NULL || dot == NULL || dot > equals)
        return coco_vmm_bad_config(error, "override '%s': expected GROUP.KEY=VALUE", text);
    group = g_strndup(text, (size_t) (dot - text));
    name = g_strndup(dot + 1, (size_t) (equals - dot - 1));
    if (!coco_vm_config_find_key(group, name, &key)
            ? !unknown(error, "key")
            : !coco_vm_config_set(config, key, equals + 1, error)) {
        g_prefix_error(error, "override '%s': [%s] %s: ", text, group, name);
        return false;
    }
    coco_vm_config_take_place(config, key, g_strdup_printf("override '%s'", text));
    return true;
}

static bool
add_overrides(CocoVmConfig *config, const char *name, const char *const *overrides, GError **error)
{
    for (size_t i = 0; overrides != NULL && overrides[i] != NULL; i++) {
        if (!add_override(config, overrides[i], error))
            return false;
    }
    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        if (!coco_vm_config_has(config, key))
            return coco_vmm_bad_config(
                error, "config '%s': [%s] %s is missing, and it has no default", name,
                coco_vm_config_key_group(key), coco_vm_config_key_name(key));
    }
    return true;
}

CocoVmConfig *
coco_vm_config_read(const char *file, const char *const *overrides, GError **error)
{
    g_autoptr(CocoVmConfig) config = coco_vm_config_new(file);

    if (!add_file(config, file, error) || !add_drop_ins(config, file, error) ||
        !add_overrides(config, file, overrides, error))
        return NULL;
    return g_steal_pointer(&config);
}

CocoVmConfig *
coco_vm_config_read_text(const char *name, const char *text, size_t len,
                         const char *const *overrides, GError **error)
{
    g_autoptr(CocoVmConfig) config = coco_vm_config_new(name);
    g_autofree char *terminated = g_strndup(text, len);

    if (!add_text(config, name, terminated, len, error) ||
        !add_overrides(config, name, overrides, error))
        return NULL;
    return g_steal_pointer(&config);
}

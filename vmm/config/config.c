// SPDX-License-Identifier: Apache-2.0
/*
 * The typed store behind CocoVmConfig. The table of keys is in config-keys.c, reading the files in
 * config-load.c.
 *
 * The host operator writes these files and is trusted by the host side, but overrides may come from
 * pod annotations one day, and values end up in XML and on a kernel command line: so control
 * characters never pass, paths are absolute, and numbers have ranges.
 */
#include "vmm/config/config-private.h"

#include <string.h>

#include "vmm/config/byte-text.h"
#include "vmm/config/uid-range.h"
#include "vmm/config/vmm-error.h"

struct _CocoVmConfig {
    char *name;
    char *strings[COCO_N_KEYS];
    guint64 numbers[COCO_N_KEYS];
    GBytes *bytes[COCO_N_KEYS];
    char *places[COCO_N_KEYS]; /* NULL: only a default */
    bool given[COCO_N_KEYS];
};

static bool
check_text(const char *value, GError **error)
{
    if (!g_utf8_validate(value, -1, NULL))
        return coco_vmm_bad_config(error, "the value is not valid UTF-8");
    /* U+FFFE and U+FFFF are valid UTF-8 and not allowed in XML. */
    if (strstr(value, "\xef\xbf\xbe") != NULL || strstr(value, "\xef\xbf\xbf") != NULL)
        return coco_vmm_bad_config(error, "the value contains a noncharacter");
    for (const char *c = value; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c))
            return coco_vmm_bad_config(error, "the value contains a control character (0x%02x)",
                                       (unsigned char) *c);
    }
    return true;
}

static bool
check_word(const char *value, GError **error)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (!g_ascii_isalnum(*c) && strchr("._+,:=-", *c) == NULL)
            return coco_vmm_bad_config(error, "'%s' contains '%c', which is not allowed here",
                                       value, *c);
    }
    return true;
}

/* The devices of the domain XML sit on these machines' buses; on another machine QEMU's error names
 * neither. */
static bool
check_machine(const char *value, GError **error)
{
    static const char *const machines[] = { "q35",  "pc-q35-", "s390-ccw-virtio",
                                            "virt", "virt-",   "s390-ccw-virtio-" };

    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        if (g_str_has_suffix(machines[i], "-") ? g_str_has_prefix(value, machines[i])
                                               : strcmp(value, machines[i]) == 0)
            return true;
    }
    return coco_vmm_bad_config(error, "'%s' is neither 'q35' nor one of its versions ('pc-q35-…')",
                               value);
}

static bool
check_string(CocoKey key, const char *value, GError **error)
{
    CocoKeyKind kind = coco_config_key_info(key)->kind;

    if (kind == COCO_KIND_PATH && value[0] != '/')
        return coco_vmm_bad_config(error, "'%s' is not an absolute path", value);
    if (kind == COCO_KIND_OPTIONAL_PATH && value[0] != '/' && value[0] != '\0')
        return coco_vmm_bad_config(error, "'%s' is neither an absolute path nor empty", value);
    if (kind == COCO_KIND_HOOK && value[0] != '/' && value[0] != '\0' &&
        !g_str_has_prefix(value, "http://") && !g_str_has_prefix(value, "https://"))
        return coco_vmm_bad_config(error, "'%s' is neither an absolute path nor a URL", value);
    if (kind == COCO_KIND_WORD && !check_word(value, error))
        return false;
    if (key == COCO_KEY_HOST_QEMU_UID_RANGE) {
        CocoUidRange range;

        return coco_uid_range_parse(value, &range, error);
    }
    return key != COCO_KEY_VM_MACHINE || check_machine(value, error);
}

static bool
set_number(CocoVmConfig *config, CocoKey key, const char *value, GError **error)
{
    const CocoKeyInfo *info = coco_config_key_info(key);

    if (!g_ascii_string_to_unsigned(value, 10, info->min, info->max, &config->numbers[key], NULL))
        return coco_vmm_bad_config(error, "'%s' is not a number from %u to %u", value, info->min,
                                   info->max);
    return true;
}

static bool
set_mask(CocoVmConfig *config, CocoKey key, const char *value, GError **error)
{
    if (value[0] == '\0') {
        config->numbers[key] = 0;
        return true;
    }
    if (!g_str_has_prefix(value, "0x") ||
        !g_ascii_string_to_unsigned(value + 2, 16, 0, G_MAXUINT64, &config->numbers[key], NULL))
        return coco_vmm_bad_config(error, "'%s' is not a mask of at most 64 bits, such as 0x30000",
                                   value);
    return true;
}

static bool
set_choice(CocoVmConfig *config, CocoKey key, const char *value, GError **error)
{
    const CocoKeyInfo *info = coco_config_key_info(key);
    g_autofree char *all = NULL;

    for (unsigned int i = 0; info->choices[i] != NULL; i++) {
        if (strcmp(value, info->choices[i]) == 0) {
            config->numbers[key] = i;
            return true;
        }
    }
    all = g_strjoinv(", ", (char **) (uintptr_t) info->choices);
    return coco_vmm_bad_config(error, "'%s' is not one of %s", value, all);
}

static bool
set_two_way(CocoVmConfig *config, CocoKey key, const char *value, GError **error)
{
    bool flag = coco_config_key_info(key)->kind == COCO_KIND_FLAG;
    const char *on = flag ? "yes" : "true";
    const char *off = flag ? "no" : "false";

    if (strcmp(value, on) != 0 && strcmp(value, off) != 0)
        return coco_vmm_bad_config(error, "'%s' is neither %s nor %s", value, on, off);
    config->numbers[key] = strcmp(value, on) == 0;
    return true;
}

/* The length is known, and no text is both its hex and its base64. */
static bool
set_bytes(CocoVmConfig *config, CocoKey key, const char *value, GError **error)
{
    size_t expected = coco_config_key_info(key)->max;
    bool base64 = strlen(value) == (expected + 2) / 3 * 4;
    g_autoptr(GBytes) bytes = base64 ? NULL : coco_bytes_of_hex(value);

    if (value[0] == '\0') {
        g_clear_pointer(&config->bytes[key], g_bytes_unref);
        return true;
    }
    if (bytes == NULL)
        bytes = coco_bytes_of_base64(value);
    if (bytes == NULL)
        return coco_vmm_bad_config(error, "'%s' is neither hex nor base64", value);
    if (g_bytes_get_size(bytes) != expected)
        return coco_vmm_bad_config(error, "%zu bytes are needed, and these are %zu", expected,
                                   (size_t) g_bytes_get_size(bytes));
    g_clear_pointer(&config->bytes[key], g_bytes_unref);
    config->bytes[key] = g_steal_pointer(&bytes);
    return true;
}

static bool
set_value(CocoVmConfig *config, CocoKey key, const char *value, GError **error)
{
    switch (coco_config_key_info(key)->kind) {
    case COCO_KIND_STRING:
    case COCO_KIND_WORD:
    case COCO_KIND_PATH:
    case COCO_KIND_OPTIONAL_PATH:
    case COCO_KIND_HOOK:
        return check_string(key, value, error);
    case COCO_KIND_NUMBER:
        return set_number(config, key, value, error);
    case COCO_KIND_BOOL:
    case COCO_KIND_FLAG:
        return set_two_way(config, key, value, error);
    case COCO_KIND_CHOICE:
        return set_choice(config, key, value, error);
    case COCO_KIND_MASK:
        return set_mask(config, key, value, error);
    case COCO_KIND_BYTES:
        return set_bytes(config, key, value, error);
    }
    return false;
}

bool
coco_vm_config_set(CocoVmConfig *config, CocoKey key, const char *value, GError **error)
{
    if (!check_text(value, error) || !set_value(config, key, value, error))
        return false;
    g_free(config->strings[key]);
    config->strings[key] = g_strdup(value);
    config->given[key] = true;
    return true;
}

CocoVmConfig *
coco_vm_config_new(const char *name)
{
    CocoVmConfig *config = g_new0(CocoVmConfig, 1);

    config->name = g_strdup(name);
    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        const char *preset = coco_config_key_info(key)->preset;

        if (preset != NULL)
            g_warn_if_fail(coco_vm_config_set(config, key, preset, NULL));
    }
    return config;
}

bool
coco_vm_config_has(const CocoVmConfig *config, CocoKey key)
{
    return config->given[key];
}

void
coco_vm_config_take_place(CocoVmConfig *config, CocoKey key, char *place)
{
    g_free(config->places[key]);
    config->places[key] = place;
}

bool
coco_vm_config_is_set(const CocoVmConfig *config, CocoKey key)
{
    return config->places[key] != NULL && config->strings[key][0] != '\0';
}

void
coco_vm_config_set_default(CocoVmConfig *config, CocoKey key, const char *value)
{
    bool given = strcmp(coco_vm_config_string(config, key), "auto") != 0 &&
                 coco_vm_config_is_set(config, key);

    if (!given)
        g_warn_if_fail(coco_vm_config_set(config, key, value, NULL));
}

const char *
coco_vm_config_name(const CocoVmConfig *config)
{
    return config->name;
}

bool
coco_vm_config_error(const CocoVmConfig *config, CocoKey key, GError **error, const char *format,
                     ...)
{
    g_autofree char *what = NULL;
    g_autofree char *place = config->places[key] != NULL
                                 ? g_strdup(config->places[key])
                                 : g_strdup_printf("config '%s'", config->name);
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    return coco_vmm_bad_config(error, "%s: [%s] %s: %s", place, coco_config_key_info(key)->group,
                               coco_config_key_info(key)->name, what);
}

void
coco_vm_config_free(CocoVmConfig *config)
{
    if (config == NULL)
        return;
    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        g_free(config->strings[key]);
        g_free(config->places[key]);
        g_clear_pointer(&config->bytes[key], g_bytes_unref);
    }
    g_free(config->name);
    g_free(config);
}

const char *
coco_vm_config_string(const CocoVmConfig *config, CocoKey key)
{
    g_return_val_if_fail(config->strings[key] != NULL, "");
    return config->strings[key];
}

unsigned int
coco_vm_config_number(const CocoVmConfig *config, CocoKey key)
{
    g_return_val_if_fail(coco_config_key_info(key)->kind == COCO_KIND_NUMBER, 0);
    return (unsigned int) config->numbers[key];
}

bool
coco_vm_config_bool(const CocoVmConfig *config, CocoKey key)
{
    CocoKeyKind kind = coco_config_key_info(key)->kind;

    g_return_val_if_fail(kind == COCO_KIND_BOOL || kind == COCO_KIND_FLAG, false);
    return config->numbers[key] != 0;
}

int
coco_vm_config_choice(const CocoVmConfig *config, CocoKey key)
{
    g_return_val_if_fail(coco_config_key_info(key)->kind == COCO_KIND_CHOICE, 0);
    return (int) config->numbers[key];
}

guint64
coco_vm_config_mask(const CocoVmConfig *config, CocoKey key)
{
    g_return_val_if_fail(coco_config_key_info(key)->kind == COCO_KIND_MASK, 0);
    return config->numbers[key];
}

GBytes *
coco_vm_config_bytes(const CocoVmConfig *config, CocoKey key)
{
    g_return_val_if_fail(coco_config_key_info(key)->kind == COCO_KIND_BYTES, NULL);
    return config->bytes[key];
}

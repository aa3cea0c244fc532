// SPDX-License-Identifier: Apache-2.0
/*
 * Names, rules, and the keys that they set (annotations.h).
 */
#include "vmm/config/annotations.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "vmm/config/config-private.h"
#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"

#define PREFIX "io.katacontainers.config.hypervisor."

typedef enum {
    FORM_SAME,
    FORM_CEILING, /* CPUs come in halves, a VM has whole ones */
    FORM_WORDS,   /* added to what is there */
    FORM_FLAG,    /* true or false */
    FORM_HUGE,    /* the same, for pages of 2 MiB */
} Form;

typedef struct {
    const char *name;
    CocoKey key;
    Form form;
} Row;

static const Row rows[] = {
    { "default_vcpus", COCO_KEY_VM_VCPUS, FORM_CEILING },
    { "default_max_vcpus", COCO_KEY_VM_MAX_VCPUS, FORM_SAME },
    { "default_memory", COCO_KEY_VM_MEMORY_MIB, FORM_SAME },
    { "machine_type", COCO_KEY_VM_MACHINE, FORM_SAME },
    { "kernel", COCO_KEY_GUEST_KERNEL, FORM_SAME },
    { "initrd", COCO_KEY_GUEST_INITRD, FORM_SAME },
    { "kernel_params", COCO_KEY_GUEST_CMDLINE, FORM_WORDS },
    { "firmware", COCO_KEY_GUEST_FIRMWARE, FORM_SAME },
    { "path", COCO_KEY_HOST_QEMU, FORM_SAME },
    { "virtio_fs_daemon", COCO_KEY_HOST_VIRTIOFSD, FORM_SAME },
    { "enable_mem_prealloc", COCO_KEY_MEMORY_PREALLOC, FORM_FLAG },
    { "enable_hugepages", COCO_KEY_MEMORY_HUGEPAGES, FORM_HUGE },
};

static const Row *
find_row(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

static CocoKeyKind
kind_of(const Row *row)
{
    return coco_config_key_info(row->key)->kind;
}

/* LOW-HIGH, or one number. */
static bool
parse_range(const char *text, guint64 *out_low, guint64 *out_high)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    guint n = g_strv_length(ends);

    return n > 0 && g_ascii_string_to_unsigned(ends[0], 10, 0, UINT32_MAX, out_low, NULL) &&
           g_ascii_string_to_unsigned(ends[n - 1], 10, *out_low, UINT32_MAX, out_high, NULL);
}

/* A copy of an entry, cut in two; values stays NULL where it is not in this form. */
typedef struct {
    char *name;
    char *values;
} Entry;

static Entry
cut_entry(char *text)
{
    char *equals = strchr(text, '=');
    Entry entry = { .name = text };

    if (equals != NULL) {
        *equals = '\0';
        entry.values = g_strstrip(equals + 1);
    }
    (void) g_strchomp(text);
    return entry;
}

static bool
check_entry(const CocoVmConfig *config, const Entry *entry, GError **error)
{
    const Row *row = find_row(entry->name);
    guint64 low;
    guint64 high;

    if (row == NULL)
        return coco_vm_config_error(config, COCO_KEY_ANNOTATIONS_ALLOW, error,
                                    "there is no annotation '%s'", entry->name);
    if (entry->values == NULL || entry->values[0] == '\0')
        return coco_vm_config_error(config, COCO_KEY_ANNOTATIONS_ALLOW, error,
                                    "%s: it takes the values that are allowed, as in %s=%s",
                                    row->name, row->name,
                                    kind_of(row) == COCO_KIND_NUMBER ? "1-8" : "PATTERN");
    if (kind_of(row) == COCO_KIND_NUMBER && !parse_range(entry->values, &low, &high))
        return coco_vm_config_error(config, COCO_KEY_ANNOTATIONS_ALLOW, error,
                                    "%s: '%s' is not LOW-HIGH", row->name, entry->values);
    return true;
}

static char **
entries_of(const CocoVmConfig *config)
{
    return g_strsplit(coco_vm_config_string(config, COCO_KEY_ANNOTATIONS_ALLOW), ";", -1);
}

bool
coco_vm_annotations_check_allow(const CocoVmConfig *config, GError **error)
{
    g_auto(GStrv) entries = entries_of(config);

    for (size_t i = 0; entries[i] != NULL; i++) {
        const Entry entry = cut_entry(g_strstrip(entries[i]));

        if (entry.name[0] == '\0' && entry.values == NULL) /* after the last one, or between two */
            continue;
        if (!check_entry(config, &entry, error))
            return false;
    }
    return true;
}

static bool
matches(const Row *row, const char *pattern, const char *value)
{
    guint64 number;
    guint64 low;
    guint64 high;

    if (kind_of(row) == COCO_KIND_NUMBER)
        return g_ascii_string_to_unsigned(value, 10, 0, UINT32_MAX, &number, NULL) &&
               parse_range(pattern, &low, &high) && number >= low && number <= high;
    return fnmatch(pattern, value, row->form == FORM_WORDS ? 0 : FNM_PATHNAME | FNM_PERIOD) == 0;
}

/* name is one that the operator has named at all, if *out_named. */
static bool
is_allowed(const CocoVmConfig *config, const Row *row, const char *value, bool *out_named)
{
    g_auto(GStrv) entries = entries_of(config);
    bool found = false;

    for (size_t i = 0; entries[i] != NULL; i++) {
        const Entry entry = cut_entry(g_strstrip(entries[i]));

        if (entry.values == NULL || strcmp(entry.name, row->name) != 0)
            continue;
        *out_named = true;
        found = found || matches(row, entry.values, value);
    }
    return found;
}

static bool
refuse(const CocoVmConfig *config, const Row *row, const char *value, bool named, GError **error)
{
    if (named)
        return coco_vm_config_error(config, COCO_KEY_ANNOTATIONS_ALLOW, error,
                                    "it does not let annotation '" PREFIX "%s' be '%s'", row->name,
                                    value);
    return coco_vm_config_error(config, COCO_KEY_ANNOTATIONS_ALLOW, error,
                                "it does not let a pod have annotation '" PREFIX "%s'", row->name);
}

static bool
check_value(const CocoVmConfig *config, const Row *row, const char *value, GError **error)
{
    bool named = false;

    return is_allowed(config, row, value, &named) || refuse(config, row, value, named, error);
}

/* The kernel reads quotes; what is in them could not be told from words that are allowed. */
static bool
check_words(const CocoVmConfig *config, const Row *row, const char *value, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(value, " \t\n", -1);

    for (size_t i = 0; words[i] != NULL; i++) {
        if (strchr(words[i], '"') != NULL)
            return refuse(config, row, words[i], true, error);
        if (words[i][0] != '\0' && !check_value(config, row, words[i], error))
            return false;
    }
    return true;
}

static bool
check(const CocoVmConfig *config, const Row *row, const char *value, GError **error)
{
    if (row->form == FORM_WORDS)
        return check_words(config, row, value, error);
    if (value[0] == '/') {
        g_autofree char *straight = g_canonicalize_filename(value, "/");

        if (strcmp(straight, value) != 0)
            return refuse(config, row, value, true, error);
    }
    return check_value(config, row, value, error);
}

/* As the config writes it (transfer full); NULL where it cannot. */
static char *
translate(const CocoVmConfig *config, const Row *row, const char *value)
{
    bool flag = strcmp(value, "true") == 0;
    double number;
    char *end = NULL;

    switch (row->form) {
    case FORM_CEILING:
        number = g_ascii_strtod(value, &end);
        if (end == value || *end != '\0' || !(number > 0) || number > UINT16_MAX)
            return NULL;
        return g_strdup_printf("%u", (unsigned int) ceil(number));
    case FORM_WORDS:
        return g_strstrip(g_strconcat(coco_vm_config_string(config, row->key), " ", value, NULL));
    case FORM_FLAG:
    case FORM_HUGE:
        if (!flag && strcmp(value, "false") != 0)
            return NULL;
        if (row->form == FORM_FLAG)
            return g_strdup(flag ? "yes" : "no");
        return g_strdup(flag ? "2M" : "none");
    case FORM_SAME:
    default:
        return g_strdup(value);
    }
}

/* What may stand in a message of one line. */
static bool
is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c))
            return false;
    }
    return g_utf8_validate(text, -1, NULL);
}

static bool
check_annotation(const char *full, const char *value, GError **error)
{
    const char *wrong = NULL;

    if (value == NULL)
        wrong = "it is not a text";
    else if (!is_plain(value))
        wrong = "there are control characters in it";
    else if (!g_str_has_prefix(full, PREFIX) || find_row(full + strlen(PREFIX)) == NULL)
        wrong = "coco-runtime has nothing that it could set";
    if (!is_plain(full))
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "an annotation's name has control characters in it");
    else if (wrong != NULL)
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG, "annotation '%s': %s", full,
                    wrong);
    return wrong == NULL && is_plain(full);
}

static bool
apply(CocoVmConfig *config, const char *full, const char *value, GError **error)
{
    g_autofree char *translated = NULL;
    const char *checked;
    const Row *row;

    if (!check_annotation(full, value, error))
        return false;
    row = find_row(full + strlen(PREFIX));
    translated = translate(config, row, value);
    checked = row->form == FORM_CEILING && translated != NULL ? translated : value;
    if (!check(config, row, checked, error))
        return false;
    if (translated == NULL) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "annotation '%s': '%s' is not %s", full, value,
                    row->form == FORM_CEILING ? "a number of CPUs" : "true or false");
        return false;
    }
    if (!coco_vm_config_set(config, row->key, translated, error)) {
        g_prefix_error(error, "annotation '%s': ", full);
        return false;
    }
    coco_vm_config_take_place(config, row->key, g_strdup_printf("annotation '%s'", full));
    return true;
}

bool
coco_vm_annotations_apply(CocoVmConfig *config, const char *text, GError **error)
{
    g_autoptr(json_object) object = json_tokener_parse(text);

    if (!json_object_is_type(object, json_type_object)) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "read the pod's annotations: not a JSON object");
        return false;
    }
    json_object_object_foreach(object, name, value)
    {
        (void) value;
        if (!apply(config, name, coco_json_string(object, name), error))
            return false;
    }
    return true;
}

bool
coco_vm_annotations_load(CocoVmConfig *config, const char *file, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    size_t len = 0;

    if (file == NULL)
        return true;
    if (!g_file_get_contents(file, &text, &len, &failure)) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "read the pod's annotations: %s",
                    failure->message);
        return false;
    }
    if (len > COCO_VM_ANNOTATIONS_MAX || strlen(text) != len) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "read the pod's annotations: more than %d bytes, or a NUL in them",
                    COCO_VM_ANNOTATIONS_MAX);
        return false;
    }
    return coco_vm_annotations_apply(config, text, error);
}

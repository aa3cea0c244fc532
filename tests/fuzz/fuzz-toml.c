// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the TOML reader. Whatever is accepted is written as the plainest TOML that says the same,
 * and read again: both readings must hand over the same tables, keys and values.
 */
#include <stdint.h>
#include <string.h>

#include "vmm/config/vmm-error.h"
#include "vmm/initdata/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
append_basic(GString *text, const char *value)
{
    g_string_append_c(text, '"');
    for (const char *c = value; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c) || *c == '"' || *c == '\\')
            g_string_append_printf(text, "\\u%04X", (unsigned char) *c);
        else
            g_string_append_c(text, *c);
    }
    g_string_append_c(text, '"');
}

static bool
on_key(const char *table, const char *key, const char *value, void *user_data, GError **error)
{
    GString *text = user_data;

    g_assert_true((key == NULL) == (value == NULL));
    g_assert_true(strlen(key != NULL ? key : table) <= COCO_TOML_MAX_NAME);
    if (key == NULL) {
        g_string_append_c(text, '[');
        append_basic(text, table);
        g_string_append(text, "]\n");
        return true;
    }
    append_basic(text, key);
    g_string_append_c(text, '=');
    append_basic(text, value);
    g_string_append_c(text, '\n');
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GString) first = g_string_new(NULL);
    g_autoptr(GString) second = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    /* libFuzzer may pass NULL for nothing. */
    bool accepted =
        coco_toml_parse(size > 0 ? (const char *) data : "", size, on_key, first, &error);

    g_assert_true(accepted == (error == NULL));
    if (!accepted) {
        g_assert_true(g_str_has_prefix(error->message, "line "));
        g_assert_null(strpbrk(error->message, "\r\n"));
        return 0;
    }
    g_assert_true(coco_toml_parse(first->str, first->len, on_key, second, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(first->str, ==, second->str);
    return 0;
}

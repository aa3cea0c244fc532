// SPDX-License-Identifier: Apache-2.0
/*
 * A look over the text, then json-c. The look is a lexer of strings and digits only: it counts what
 * json-c would make objects of, and refuses what json-c lets pass even in strict mode (keys in
 * 'quotes', text after a NUL, numbers over 64 bits, which it rounds without a word, strings that
 * are not UTF-8). What is not JSON in other ways json-c finds itself.
 *
 * json-c 0.18 in strict mode takes each byte from 0x80 on for a control character (it compares a
 * signed char). So it gets ASCII only: other characters as \u escapes, which mean the same.
 */
#include "guest-protocol/oci/bounded-json.h"

#include <stdbool.h>
#include <string.h>

#include "guest-protocol/proto/wire-limits.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_tokener, json_tokener_free)

static bool fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool
fail(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(
        error, g_error_new_valist(COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT, format, args));
    va_end(args);
    return false;
}

/* How many digits a number has at text: its whole part, for JSON has no leading zeros. */
static size_t
count_digits(const char *text, size_t length)
{
    size_t n = 0;

    while (n < length && g_ascii_isdigit(text[n]))
        n++;
    return n;
}

static bool
fits_64_bits(const char *digits, size_t n, bool negative)
{
    const char *max = negative ? "9223372036854775808" : "18446744073709551615";

    return n < strlen(max) || (n == strlen(max) && strncmp(digits, max, n) <= 0);
}

/* Only between the quotes of a string, and not after its backslash, is there anything but ASCII. */
static bool
may_stand(char c, bool in_string, bool escaped)
{
    if (c == '\0')
        return false;
    if (in_string && !escaped)
        return true;
    return (guchar) c < 0x80 && (in_string || c != '\'');
}

static bool
survey(const char *json, size_t length, GError **error)
{
    size_t n_values = 1;
    bool in_string = false, escaped = false;

    for (size_t i = 0; i < length; i++) {
        size_t n_digits = in_string ? 0 : count_digits(json + i, length - i);

        if (!may_stand(json[i], in_string, escaped))
            return fail(error, "not JSON: unexpected character at byte %zu", i);
        if (escaped)
            escaped = false;
        else if (in_string && json[i] == '\\')
            escaped = true;
        else if (json[i] == '"')
            in_string = !in_string;
        else if (!in_string && (json[i] == '{' || json[i] == '[' || json[i] == ','))
            n_values++;
        if (n_digits == 0)
            continue;
        if (!fits_64_bits(json + i, n_digits, i > 0 && json[i - 1] == '-'))
            return fail(error, "number at byte %zu does not fit 64 bits", i);
        i += n_digits - 1;
    }
    if (n_values > COCO_JSON_MAX_VALUES)
        return fail(error, "more than %d values in JSON", COCO_JSON_MAX_VALUES);
    return true;
}

/* The same text in ASCII; NULL where it is ASCII already. */
static GString *
escape(const char *json, size_t length)
{
    const char *end = json + length;
    GString *out = NULL;

    for (const char *c = json; c < end; c += g_utf8_skip[(guchar) *c]) {
        gunichar code = g_utf8_get_char(c);

        if (code >= 0x80 && out == NULL)
            out = g_string_append_len(g_string_sized_new(length * 2), json, c - json);
        if (code > 0xffff)
            g_string_append_printf(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                                   0xdc00 + ((code - 0x10000) & 0x3ff));
        else if (code >= 0x80)
            g_string_append_printf(out, "\\u%04x", code);
        else if (out != NULL)
            g_string_append_c(out, (char) code);
    }
    return out;
}

json_object *
coco_bounded_json_parse(const char *json, size_t length, GError **error)
{
    g_autoptr(json_tokener) tokener = NULL;
    g_autoptr(json_object) root = NULL;
    g_autoptr(GString) ascii = NULL;
    const char *bad = NULL;
    enum json_tokener_error code;

    if (length > COCO_JSON_MAX_SIZE) {
        fail(error, "%zu bytes of JSON, limit is %d", length, COCO_JSON_MAX_SIZE);
        return NULL;
    }
    if (!survey(json, length, error))
        return NULL;
    if (!g_utf8_validate_len(json, length, &bad)) {
        fail(error, "not JSON: byte %zu is not UTF-8", (size_t) (bad - json));
        return NULL;
    }
    ascii = escape(json, length);
    tokener = json_tokener_new_ex(COCO_JSON_MAX_DEPTH);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    if (ascii != NULL)
        root = json_tokener_parse_ex(tokener, ascii->str, (int) ascii->len);
    else
        root = json_tokener_parse_ex(tokener, json, (int) length);
    code = json_tokener_get_error(tokener);
    if (code == json_tokener_continue)
        fail(error, "JSON ends too early");
    else if (code != json_tokener_success)
        fail(error, "not JSON: %s at byte %zu", json_tokener_error_desc(code),
             json_tokener_get_parse_end(tokener));
    else if (root == NULL)
        fail(error, "JSON document is null");
    return code == json_tokener_success ? g_steal_pointer(&root) : NULL;
}

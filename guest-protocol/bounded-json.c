// SPDX-License-Identifier: Apache-2.0
/*
 * A look over the text, then json-c. The look is a lexer of strings and digits only: it counts what
 * json-c would make objects of, and refuses what json-c lets pass even in strict mode (keys in
 * 'quotes', text after a NUL, numbers over 64 bits, which it rounds without a word). What is not
 * JSON in other ways json-c finds itself.
 */
#include "guest-protocol/bounded-json.h"

#include <stdbool.h>
#include <string.h>

#include "guest-protocol/limits.h"

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

static bool
survey(const char *json, size_t length, GError **error)
{
    size_t n_values = 1;
    bool in_string = false;

    for (size_t i = 0; i < length; i++) {
        size_t n_digits = in_string ? 0 : count_digits(json + i, length - i);

        if (json[i] == '\0' || (!in_string && json[i] == '\''))
            return fail(error, "not JSON: unexpected character at byte %zu", i);
        if (in_string && json[i] == '\\')
            i++;
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

json_object *
coco_bounded_json_parse(const char *json, size_t length, GError **error)
{
    g_autoptr(json_tokener) tokener = NULL;
    g_autoptr(json_object) root = NULL;
    enum json_tokener_error code;

    if (length > COCO_JSON_MAX_SIZE) {
        fail(error, "%zu bytes of JSON, limit is %d", length, COCO_JSON_MAX_SIZE);
        return NULL;
    }
    if (!survey(json, length, error))
        return NULL;
    tokener = json_tokener_new_ex(COCO_JSON_MAX_DEPTH);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
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

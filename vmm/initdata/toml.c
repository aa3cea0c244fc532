// SPDX-License-Identifier: Apache-2.0
/*
 * The reader of TOML's strings and tables (toml.h). One pass, no recursion; each function takes
 * what it reads from the front of what is left.
 */
#include "vmm/initdata/toml.h"

#include <string.h>

#include "vmm/config/vmm-error.h"

typedef struct {
    const char *at;
    const char *end;
    unsigned int line;
    char *table;        /* the current one */
    GHashTable *tables; /* set of names */
    GHashTable *keys;   /* set of TABLE "\n" KEY; no name has a newline */
    GString *name;
    GString *value;
    CocoTomlFunc func;
    void *user_data;
} Reader;

static void
reader_clear(Reader *reader)
{
    g_free(reader->table);
    g_clear_pointer(&reader->tables, g_hash_table_unref);
    g_clear_pointer(&reader->keys, g_hash_table_unref);
    (void) g_string_free(reader->name, TRUE);
    (void) g_string_free(reader->value, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

static bool complain(const Reader *reader, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static bool
complain(const Reader *reader, GError **error, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    return coco_vmm_bad_config(error, "line %u: %s", reader->line, message);
}

/* The next byte, or NUL at the end: the text has none. */
static char
peek(const Reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool
take(Reader *reader, const char *token)
{
    size_t len = strlen(token);

    if ((size_t) (reader->end - reader->at) < len || memcmp(reader->at, token, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static void
skip_blanks(Reader *reader)
{
    while (peek(reader) == ' ' || peek(reader) == '\t')
        reader->at++;
}

/* Takes LF or CRLF into out (nullable). */
static bool
take_newline(Reader *reader, GString *out)
{
    const char *newline = take(reader, "\n") ? "\n" : take(reader, "\r\n") ? "\r\n" : NULL;

    if (newline == NULL)
        return false;
    reader->line++;
    if (out != NULL)
        g_string_append(out, newline);
    return true;
}

/* What may stand in a comment or a string: anything but control characters, tab excepted. */
static bool
is_text(char c)
{
    return c == '\t' || !g_ascii_iscntrl(c);
}

static bool
bad_character(const Reader *reader, const char *where, GError **error)
{
    if (reader->at == reader->end)
        return complain(reader, error, "the text ends %s", where);
    return complain(reader, error, "control character 0x%02x %s", (unsigned char) *reader->at,
                    where);
}

/* A comment or nothing, and the end of the line. */
static bool
finish_line(Reader *reader, const char *after, GError **error)
{
    skip_blanks(reader);
    if (take(reader, "#")) {
        while (reader->at < reader->end && is_text(*reader->at))
            reader->at++;
    }
    if (reader->at == reader->end || take_newline(reader, NULL))
        return true;
    if (!is_text(*reader->at))
        return bad_character(reader, "outside a string", error);
    return complain(reader, error, "unexpected text after %s", after);
}

/* \uXXXX or \UXXXXXXXX, from the first digit. */
static bool
take_code_point(Reader *reader, unsigned int n_digits, GString *out, GError **error)
{
    gunichar c = 0;

    for (unsigned int i = 0; i < n_digits; i++) {
        int digit = g_ascii_xdigit_value(peek(reader));

        if (digit < 0)
            return complain(reader, error, "an escape needs %u hexadecimal digits", n_digits);
        c = c << 4 | (gunichar) digit;
        reader->at++;
    }
    if (c == 0 || !g_unichar_validate(c))
        return complain(reader, error, "escape U+%04X is not a character that can stand here", c);
    g_string_append_unichar(out, c);
    return true;
}

/* A backslash was taken. */
static bool
take_escape(Reader *reader, GString *out, GError **error)
{
    static const char names[] = "btnfr\"\\";
    static const char meanings[] = "\b\t\n\f\r\"\\";
    char name = peek(reader);
    const char *found = name != '\0' ? strchr(names, name) : NULL;

    if (found != NULL) {
        reader->at++;
        g_string_append_c(out, meanings[found - names]);
        return true;
    }
    if (take(reader, "u"))
        return take_code_point(reader, 4, out, error);
    if (take(reader, "U"))
        return take_code_point(reader, 8, out, error);
    return complain(reader, error, "unknown escape in a string");
}

/* A backslash at the end of a line takes away all blanks and newlines that follow. */
static bool
take_line_ending_backslash(Reader *reader)
{
    const char *start = reader->at;

    skip_blanks(reader);
    if (!take_newline(reader, NULL)) {
        reader->at = start;
        return false;
    }
    do
        skip_blanks(reader);
    while (take_newline(reader, NULL));
    return true;
}

/* "basic" or 'literal', from the character after the quote. */
static bool
take_string(Reader *reader, char quote, GString *out, GError **error)
{
    for (;;) {
        char c = peek(reader);

        if (reader->at == reader->end || !is_text(c))
            return c == '\n' || c == '\r'
                       ? complain(reader, error, "a string does not end on its line")
                       : bad_character(reader, "in a string", error);
        reader->at++;
        if (c == quote)
            return true;
        if (c != '\\' || quote == '\'')
            g_string_append_c(out, c);
        else if (!take_escape(reader, out, error))
            return false;
    }
}

/* Three quotes end the string; one or two more before them belong to it. */
static bool
take_end(Reader *reader, char quote, GString *out)
{
    size_t n = 0;

    while (n < 5 && (size_t) (reader->end - reader->at) > n && reader->at[n] == quote)
        n++;
    if (n < 3) {
        g_string_append_len(out, reader->at, (gssize) n);
        reader->at += n;
        return false;
    }
    g_string_append_len(out, reader->at, (gssize) n - 3);
    reader->at += n;
    return true;
}

/* """basic""" or '''literal''', from the character after the three quotes. */
static bool
take_long_string(Reader *reader, char quote, GString *out, GError **error)
{
    (void) take_newline(reader, NULL);
    for (;;) {
        char c = peek(reader);

        if (take_newline(reader, out))
            continue;
        if (reader->at == reader->end || !is_text(c))
            return bad_character(reader, "in a multi-line string", error);
        if (c == quote) {
            if (take_end(reader, quote, out))
                return true;
            continue;
        }
        reader->at++;
        if (c != '\\' || quote == '\'')
            g_string_append_c(out, c);
        else if (!take_line_ending_backslash(reader) && !take_escape(reader, out, error))
            return false;
    }
}

static bool
take_name(Reader *reader, const char *what, GError **error)
{
    const char *start = reader->at;

    g_string_truncate(reader->name, 0);
    if (take(reader, "\"\"\"") || take(reader, "'''"))
        return complain(reader, error, "a %s is not a multi-line string", what);
    if (take(reader, "\"") || take(reader, "'")) {
        if (!take_string(reader, *start, reader->name, error))
            return false;
    } else {
        while (g_ascii_isalnum(peek(reader)) || peek(reader) == '_' || peek(reader) == '-')
            reader->at++;
        g_string_append_len(reader->name, start, reader->at - start);
        if (reader->name->len == 0)
            return complain(reader, error, "a %s was expected", what);
    }
    skip_blanks(reader);
    if (peek(reader) == '.')
        return complain(reader, error, "dotted names are not supported: quote a %s that has a dot",
                        what);
    if (reader->name->len > COCO_TOML_MAX_NAME)
        return complain(reader, error, "a %s is longer than %u bytes", what, COCO_TOML_MAX_NAME);
    for (size_t i = 0; i < reader->name->len; i++) {
        if (g_ascii_iscntrl(reader->name->str[i]))
            return complain(reader, error, "a %s has a control character", what);
    }
    return true;
}

static bool
hand_over(Reader *reader, unsigned int line, const char *key, const char *value, GError **error)
{
    if (reader->func(reader->table, key, value, reader->user_data, error))
        return true;
    g_prefix_error(error, "line %u: ", line);
    return false;
}

/* "[" was taken. */
static bool
take_table(Reader *reader, GError **error)
{
    g_autofree char *as_key = NULL;

    if (peek(reader) == '[')
        return complain(reader, error, "arrays of tables are not supported");
    skip_blanks(reader);
    if (!take_name(reader, "table", error))
        return false;
    if (!take(reader, "]"))
        return complain(reader, error, "']' is missing after the name of a table");
    as_key = g_strconcat("\n", reader->name->str, NULL);
    if (g_hash_table_contains(reader->keys, as_key))
        return complain(reader, error, "'%s' is a key and a table", reader->name->str);
    if (!g_hash_table_add(reader->tables, g_strdup(reader->name->str)))
        return complain(reader, error, "table '%s' comes twice", reader->name->str);
    if (g_hash_table_size(reader->tables) > COCO_TOML_MAX_KEYS)
        return complain(reader, error, "more than %u tables", COCO_TOML_MAX_KEYS);
    g_free(reader->table);
    reader->table = g_strdup(reader->name->str);
    return hand_over(reader, reader->line, NULL, NULL, error) &&
           finish_line(reader, "the name of a table", error);
}

static bool
take_value(Reader *reader, GError **error)
{
    g_string_truncate(reader->value, 0);
    if (take(reader, "\"\"\""))
        return take_long_string(reader, '"', reader->value, error);
    if (take(reader, "'''"))
        return take_long_string(reader, '\'', reader->value, error);
    if (take(reader, "\""))
        return take_string(reader, '"', reader->value, error);
    if (take(reader, "'"))
        return take_string(reader, '\'', reader->value, error);
    return complain(reader, error, "the value of '%s' is not a string", reader->name->str);
}

static bool
take_key(Reader *reader, GError **error)
{
    unsigned int line = reader->line;
    g_autofree char *key = NULL;

    if (!take_name(reader, "key", error))
        return false;
    if (!take(reader, "="))
        return complain(reader, error, "'=' is missing after key '%s'", reader->name->str);
    skip_blanks(reader);
    key = g_strdup(reader->name->str);
    if (!g_hash_table_add(reader->keys, g_strconcat(reader->table, "\n", key, NULL)))
        return complain(reader, error, "key '%s' comes twice", key);
    if (g_hash_table_size(reader->keys) > COCO_TOML_MAX_KEYS)
        return complain(reader, error, "more than %u keys", COCO_TOML_MAX_KEYS);
    return take_value(reader, error) && hand_over(reader, line, key, reader->value->str, error) &&
           finish_line(reader, "a string", error);
}

static bool
take_line(Reader *reader, GError **error)
{
    char c;

    skip_blanks(reader);
    c = peek(reader);
    if (reader->at == reader->end || c == '#' || c == '\n' || c == '\r')
        return finish_line(reader, "a blank line", error);
    if (take(reader, "["))
        return take_table(reader, error);
    return take_key(reader, error);
}

/* Where the first byte stands that is no UTF-8 or NUL. */
static bool
check_encoding(Reader *reader, GError **error)
{
    const char *bad;

    if (g_utf8_validate_len(reader->at, (size_t) (reader->end - reader->at), &bad))
        return true;
    for (const char *c = reader->at; c < bad; c++)
        reader->line += *c == '\n';
    return complain(reader, error, "byte 0x%02x is not valid UTF-8 text", (unsigned char) *bad);
}

bool
coco_toml_parse(const char *text, size_t len, CocoTomlFunc func, void *user_data, GError **error)
{
    g_auto(Reader) reader = {
        .at = text,
        .end = text + len,
        .line = 1,
        .table = g_strdup(""),
        .tables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .name = g_string_new(NULL),
        .value = g_string_new(NULL),
        .func = func,
        .user_data = user_data,
    };

    if (len > COCO_TOML_MAX_TEXT)
        return complain(&reader, error, "the text is longer than %u bytes", COCO_TOML_MAX_TEXT);
    if (!check_encoding(&reader, error))
        return false;
    while (reader.at < reader.end) {
        if (!take_line(&reader, error))
            return false;
    }
    return true;
}

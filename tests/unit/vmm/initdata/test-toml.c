// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/initdata/toml.c: the forms that are read, and what each other one is told to be.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/initdata/toml.h"

/* Everything that was handed over, as TABLE|KEY|VALUE; lines. */
static bool
on_key(const char *table, const char *key, const char *value, void *user_data, GError **error)
{
    if (g_strcmp0(key, "refuse") == 0) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG, "refused");
        return false;
    }
    g_string_append_printf(user_data, "%s|%s|%s;", table, key != NULL ? key : "",
                           value != NULL ? value : "");
    return true;
}

static const struct {
    const char *text;
    const char *read;
} good[] = {
    { "", "" },
    { "\n\r\n \t\n# a comment\n", "" },
    { "a = \"b\"", "|a|b;" },
    { "a=\"b\"#c", "|a|b;" },
    { "\ta\t=\t'b'\t# c\r\n", "|a|b;" },
    { "A-b_1 = ''\n[ t ]\n\"x.y\" = '\"'\n'q' = \"\"\n", "|A-b_1|;t||;t|x.y|\";t|q|;" },
    { "a = \"\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"", "|a|\b\t\n\f\r\"\\\u00e9\U0001F600;" },
    { "a = 'C:\\n'", "|a|C:\\n;" },
    { "a = '''\nb\nc'''", "|a|b\nc;" },
    { "a = '''b\r\n'c' ''d\\'''", "|a|b\r\n'c' ''d\\;" },
    { "a = ''''b'''''", "|a|'b'';" },
    { "a = \"\"\"\r\nb\\\n  \n\t c \\\" \"\" \"\"\"", "|a|bc \" \"\" ;" },
    { "a = \"\"\"\"\"\"\nb = ''''''", "|a|;|b|;" },
    { "a = 'x'\n[t]\na = 'y'\n[\"u v\"]\na = 'z'", "|a|x;t||;t|a|y;u v||;u v|a|z;" },
    { "\"\" = 'empty'", "||empty;" },
    { "\u00e9 = 1", NULL },
};

Test(toml, what_is_read)
{
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GString) read = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        bool accepted = coco_toml_parse(good[i].text, strlen(good[i].text), on_key, read, &error);

        cr_assert_eq(accepted, good[i].read != NULL, "text %zu: %s", i,
                     error != NULL ? error->message : "accepted");
        if (accepted)
            cr_assert_str_eq(read->str, good[i].read);
    }
}

static const struct {
    const char *text;
    const char *message;
} mistakes[] = {
    { "a = 1", "line 1: the value of 'a' is not a string" },
    { "\n\na = true", "line 3: the value of 'a' is not a string" },
    { "a = ['x']", "line 1: the value of 'a' is not a string" },
    { "a = {}", "line 1: the value of 'a' is not a string" },
    { "a =", "line 1: the value of 'a' is not a string" },
    { "a.b = 'x'", "line 1: dotted names are not supported: quote a key that has a dot" },
    { "[a.b]", "line 1: dotted names are not supported: quote a table that has a dot" },
    { "[[a]]", "line 1: arrays of tables are not supported" },
    { "[a", "line 1: ']' is missing after the name of a table" },
    { "[]", "line 1: a table was expected" },
    { "= 'x'", "line 1: a key was expected" },
    { "\xef\xbb\xbf"
      "a = 'x'",
      "line 1: a key was expected" },
    { "a 'x'", "line 1: '=' is missing after key 'a'" },
    { "a = 'x'\na = 'y'", "line 2: key 'a' comes twice" },
    { "a = 'x'\n\"\\u0061\" = 'y'", "line 2: key 'a' comes twice" },
    { "[t]\n[u]\n['t']", "line 3: table 't' comes twice" },
    { "t = 'x'\n[t]", "line 2: 't' is a key and a table" },
    { "a = 'x' b = 'y'", "line 1: unexpected text after a string" },
    { "[t] a = 'y'", "line 1: unexpected text after the name of a table" },
    { "a = 'x\ny'", "line 1: a string does not end on its line" },
    { "a = \"x", "line 1: the text ends in a string" },
    { "a = '''x\n\n", "line 3: the text ends in a multi-line string" },
    { "a = \"\"\"x\"\"", "line 1: the text ends in a multi-line string" },
    { "a = \"\"\"x\\", "line 1: unknown escape in a string" },
    { "a = \"\\e\"", "line 1: unknown escape in a string" },
    { "a = \"\\u12\"", "line 1: an escape needs 4 hexadecimal digits" },
    { "a = \"\\u0000\"", "line 1: escape U+0000 is not a character that can stand here" },
    { "a = \"\\uD800\"", "line 1: escape U+D800 is not a character that can stand here" },
    { "a = \"\\U00110000\"", "line 1: escape U+110000 is not a character that can stand here" },
    { "a = \"\x01\"", "line 1: control character 0x01 in a string" },
    { "a = '''\x7f'''", "line 1: control character 0x7f in a multi-line string" },
    { "a = '''x\ry'''", "line 1: control character 0x0d in a multi-line string" },
    { "# \x1b", "line 1: control character 0x1b outside a string" },
    { "a = 'x'\rb = 'y'", "line 1: control character 0x0d outside a string" },
    { "a = 'x'\nb = '\xff'", "line 2: byte 0xff is not valid UTF-8 text" },
    { "'''a''' = 'x'", "line 1: a key is not a multi-line string" },
    { "\"a\\nb\" = 'x'", "line 1: a key has a control character" },
    { "a = 'x'\n\nrefuse = '''\n\n'''", "line 3: refused" },
};

Test(toml, each_mistake_has_its_line_and_cause)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        g_autoptr(GString) read = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        cr_assert_not(
            coco_toml_parse(mistakes[i].text, strlen(mistakes[i].text), on_key, read, &error),
            "mistake %zu was accepted", i);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, mistakes[i].message);
    }
}

Test(toml, a_nul_byte_is_no_text)
{
    g_autoptr(GString) read = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_toml_parse("a='\0'", 6, on_key, read, &error));
    cr_assert_str_eq(error->message, "line 1: byte 0x00 is not valid UTF-8 text");
}

static void
refuse(GString *text, const char *message)
{
    g_autoptr(GString) read = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_toml_parse(text->str, text->len, on_key, read, &error));
    cr_assert_str_eq(error->message, message);
}

Test(toml, limits_hold)
{
    g_autoptr(GString) keys = g_string_new(NULL);
    g_autoptr(GString) name = g_string_new(NULL);
    g_autoptr(GString) big = g_string_new(NULL);

    for (unsigned int i = 0; i <= COCO_TOML_MAX_KEYS; i++)
        g_string_append_printf(keys, "k%u = ''\n", i);
    refuse(keys, "line 257: more than 256 keys");
    g_string_set_size(name, COCO_TOML_MAX_NAME + 1);
    memset(name->str, 'n', name->len);
    refuse(name, "line 1: a key is longer than 256 bytes");
    g_string_set_size(big, COCO_TOML_MAX_TEXT + 1);
    memset(big->str, '\n', big->len);
    refuse(big, "line 1: the text is longer than 8388608 bytes");
}

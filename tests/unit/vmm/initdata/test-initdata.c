// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/initdata/initdata.c: digests against sha*sum, packing against gzip, and each refusal. The
 * annotation below is what `gzip -n | base64 -w0` made of the text.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <zlib.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/initdata/initdata.h"

#define HEAD(algorithm) "version = \"0.1.0\"\nalgorithm = \"" algorithm "\"\n"
#define TEXT(algorithm)                                                                            \
    HEAD(algorithm) "[data]\n\"aa.toml\" = '''\n[token_configs]\n'''\n\"policy.rego\" = 'x'\n"
#define ANNOTATION                                                                                 \
    "H4sIAAAAAAAAAx3KQQqAIBBA0f2cQmbjTopatOkkEjGUmaROqETdvmz7/"                                    \
    "r9Myo6jGAU2qlUNAnnLyZU9VMs7dUOPoFcqNAESqcLB49eklKALHybOC8fN2TxBNTzZu+VRyVj+v1vCC6axJeVmAAAA"

static const struct {
    const char *algorithm;
    const char *text;
    const char *digest;
} texts[] = {
    { "sha256", TEXT("sha256"),
      "c13ccbe421744cc11adbae7e407edf108d87b0744a8de0d2cdd5c19b667c6ab2" },
    { "sha384", TEXT("sha384"),
      "a459eaafa85d21b0f0f96d30e077874be2070966befe37309b0638d3f4ac74addf70777eb1e242aa18f53983592a"
      "cb3f" },
    { "sha512", TEXT("sha512"),
      "ef9bf024059046629d88138ee1a28bc45d8a690d31cc84fc5c9ddba7d039e49c509a820c9e6dbf107849be208e07"
      "5b9d4908cdbd055f1d05860188a95be11273" },
};

static char *
hex(const uint8_t *bytes, size_t len)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    return g_string_free(text, FALSE);
}

static CocoInitdata *
from_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    CocoInitdata *initdata = coco_initdata_from_toml(text, strlen(text), &error);

    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    return initdata;
}

Test(initdata, the_digest_is_of_the_plain_bytes)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(CocoInitdata) initdata = from_text(texts[i].text);
        size_t len;
        const uint8_t *digest = coco_initdata_digest(initdata, &len);
        g_autofree char *shown = hex(digest, len);

        cr_assert_str_eq(coco_initdata_algorithm(initdata), texts[i].algorithm);
        cr_assert_str_eq(shown, texts[i].digest);
    }
}

Test(initdata, a_field_cuts_the_digest_off_or_fills_it_up)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(CocoInitdata) initdata = from_text(texts[i].text);
        g_autofree char *host_data = NULL;
        g_autofree char *mrconfigid = NULL;
        g_autofree char *filled = g_strconcat(
            texts[i].digest, "00000000000000000000000000000000000000000000000000000000", NULL);
        uint8_t field[48];

        coco_initdata_bind(initdata, field, 32);
        host_data = hex(field, 32);
        cr_assert_eq(strncmp(host_data, filled, 64), 0);
        memset(field, 0xff, sizeof field);
        coco_initdata_bind(initdata, field, 48);
        mrconfigid = hex(field, 48);
        cr_assert_eq(strncmp(mrconfigid, filled, 96), 0);
    }
}

Test(initdata, what_gzip_and_base64_made_is_read)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoInitdata) initdata =
        coco_initdata_from_annotation(ANNOTATION, strlen(ANNOTATION), &error);
    g_autofree const char **names = NULL;
    g_autofree char *again = NULL;
    size_t len;

    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    cr_assert_str_eq(coco_initdata_toml(initdata, &len), TEXT("sha384"));
    cr_assert_eq(len, strlen(TEXT("sha384")));
    cr_assert_str_eq(coco_initdata_entry(initdata, "aa.toml"), "[token_configs]\n");
    cr_assert_str_eq(coco_initdata_entry(initdata, "policy.rego"), "x");
    cr_assert_null(coco_initdata_entry(initdata, "cdh.toml"));
    names = coco_initdata_names(initdata);
    cr_assert_str_eq(names[0], "aa.toml");
    cr_assert_str_eq(names[1], "policy.rego");
    cr_assert_null(names[2]);
    again = coco_initdata_annotation(initdata);
    cr_assert_str_eq(again, ANNOTATION);
}

Test(initdata, line_breaks_in_base64_do_not_count)
{
    g_autofree char *broken = g_strdup_printf("%.40s\r\n%s\n", ANNOTATION, &ANNOTATION[40]);
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoInitdata) initdata =
        coco_initdata_from_annotation(broken, strlen(broken), &error);

    cr_assert_not_null(initdata);
}

Test(initdata, packing_twice_gives_the_same_and_can_be_read)
{
    g_autoptr(CocoInitdata) one = from_text(TEXT("sha256"));
    g_autoptr(CocoInitdata) two = from_text(TEXT("sha256"));
    g_autofree char *first = coco_initdata_annotation(one);
    g_autofree char *second = coco_initdata_annotation(two);
    g_autoptr(CocoInitdata) read = coco_initdata_from_annotation(first, strlen(first), NULL);
    size_t len;

    cr_assert_str_eq(first, second);
    cr_assert_not_null(read);
    cr_assert_str_eq(coco_initdata_toml(read, &len), TEXT("sha256"));
}

Test(initdata, the_image_has_the_layout_that_guests_look_for)
{
    g_autoptr(CocoInitdata) initdata =
        coco_initdata_from_annotation(ANNOTATION, strlen(ANNOTATION), NULL);
    g_autoptr(GBytes) image = coco_initdata_image(initdata);
    gsize size;
    gsize n;
    const uint8_t *bytes = g_bytes_get_data(image, &size);
    g_autofree uint8_t *gzip = g_base64_decode(ANNOTATION, &n);

    cr_assert_eq(size, 512);
    cr_assert_eq(memcmp(bytes, "initdata", 8), 0);
    cr_assert_eq(bytes[8] | bytes[9] << 8, (int) n);
    for (size_t i = 10; i < 16; i++)
        cr_assert_eq(bytes[i], 0);
    cr_assert_eq(memcmp(bytes + 16, gzip, n), 0);
    for (size_t i = 16 + n; i < size; i++)
        cr_assert_eq(bytes[i], 0);
}

static const struct {
    const char *text;
    const char *message;
} mistakes[] = {
    { "", "initdata: 'version' is missing" },
    { "version = '0.1.0'\n[data]\n", "initdata: 'algorithm' is missing" },
    { "version = '0.1.0'\nalgorithm = 'sha384'\n", "initdata: table [data] is missing" },
    { "version = '0.2.0'\nalgorithm = 'sha384'\n[data]\n",
      "initdata: version '0.2.0' is not supported, only '0.1.0'" },
    { "version = '0.1.0'\nalgorithm = 'md5'\n[data]\n",
      "initdata: algorithm 'md5' is not one of sha256, sha384, sha512" },
    { "version = '0.1.0'\nalgorithm = '''\n\nx0123456789012345678901234567890123456789'''\n[data]",
      "initdata: algorithm '\\nx01234567890123456789012345678901234567…' is not one of sha256, "
      "sha384, sha512" },
    { HEAD("sha384") "extra = 'x'\n[data]\n", "initdata: line 3: unknown key 'extra'" },
    { HEAD("sha384") "[data]\n[more]\n", "initdata: line 4: unknown table 'more'" },
    { HEAD("sha384") "[data]\nx = 1\n", "initdata: line 4: the value of 'x' is not a string" },
};

Test(initdata, each_mistake_is_named)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_null(coco_initdata_from_toml(mistakes[i].text, strlen(mistakes[i].text), &error),
                       "mistake %zu was accepted", i);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, mistakes[i].message);
    }
}

static void
refuse_gzip(const uint8_t *gzip, size_t len, const char *message)
{
    g_autofree char *value = g_base64_encode(gzip, len);
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_initdata_from_annotation(value, strlen(value), &error));
    cr_assert_str_eq(error->message, message);
}

Test(initdata, gzip_that_is_broken_or_has_more_behind_it_is_refused)
{
    gsize n;
    g_autofree uint8_t *good = g_base64_decode(ANNOTATION, &n);
    g_autofree uint8_t *twice = g_malloc(2 * n);

    memcpy(twice, good, n);
    memcpy(twice + n, good, n);
    refuse_gzip(twice, 2 * n, "initdata: something follows the gzip data");
    refuse_gzip(twice, n + 1, "initdata: something follows the gzip data");
    refuse_gzip(good, n - 1, "initdata: the gzip data is cut off");
    refuse_gzip(good, 5, "initdata: the gzip data is cut off");
    twice[n - 8] ^= 1; /* its checksum */
    refuse_gzip(twice, n, "initdata: it is not valid gzip data");
    refuse_gzip((const uint8_t *) "plain text", 10, "initdata: it is not valid gzip data");
}

static void
refuse_annotation(const char *value, const char *message)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_initdata_from_annotation(value, strlen(value), &error));
    cr_assert_str_eq(error->message, message);
}

Test(initdata, what_is_not_base64_is_refused)
{
    refuse_annotation("", "initdata: it is empty");
    refuse_annotation("\n", "initdata: it is empty");
    refuse_annotation("****", "initdata: it is not base64 (standard alphabet, padded)");
    refuse_annotation("H4sIA", "initdata: it is not base64 (standard alphabet, padded)");
    refuse_annotation("H4s IAA=", "initdata: it is not base64 (standard alphabet, padded)");
    refuse_annotation("H4-_", "initdata: it is not base64 (standard alphabet, padded)");
    refuse_annotation("QQ==QQ==", "initdata: it is not base64 (standard alphabet, padded)");
    refuse_annotation("QR==", "initdata: it is not base64 (standard alphabet, padded)");
}

/* As much of newlines as is asked for, in base64 of gzip. */
static char *
bomb(size_t len)
{
    g_autofree char *text = g_strnfill(len, '\n');
    g_autofree uint8_t *out = g_malloc(len);
    z_stream stream = { .next_in = (uint8_t *) text, .avail_in = (uInt) len };

    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = out;
    stream.avail_out = (uInt) len;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    (void) deflateEnd(&stream);
    return g_base64_encode(out, stream.total_out);
}

Test(initdata, a_bomb_is_refused)
{
    g_autoptr(GString) text = g_string_new(TEXT("sha256"));
    g_autoptr(CocoInitdata) most = NULL;
    g_autofree char *packed = bomb(2 * COCO_INITDATA_MAX_TOML);
    g_autofree char *value = g_strnfill(COCO_INITDATA_MAX_ANNOTATION + 1, 'A');
    g_autoptr(GError) error = NULL;
    size_t len = text->len;

    g_string_set_size(text, COCO_INITDATA_MAX_TOML);
    memset(text->str + len, '\n', text->len - len);
    most = from_text(text->str);
    cr_assert_not_null(most);
    g_string_append_c(text, '\n');
    cr_assert_null(coco_initdata_from_toml(text->str, text->len, &error));
    cr_assert_str_eq(error->message, "initdata: it has more than 4194304 bytes");
    refuse_annotation(packed, "initdata: unpacked it has more than 4194304 bytes");
    refuse_annotation(value, "initdata: the annotation has more than 1572864 bytes");
}

Test(initdata, files_are_read)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *toml =
        scratch_dir_write(dir, "i.toml", TEXT("sha384"), strlen(TEXT("sha384")));
    g_autofree char *value =
        scratch_dir_write(dir, "i.b64", ANNOTATION "\n", strlen(ANNOTATION "\n"));
    g_autofree char *absent = g_build_filename(dir, "absent", NULL);
    g_autofree char *absent_message =
        g_strdup_printf("initdata: read '%s': No such file or directory", absent);
    g_autofree char *dir_message = g_strdup_printf("initdata: read '%s': not a file", dir);
    g_autoptr(CocoInitdata) one = coco_initdata_load_toml(toml, NULL);
    g_autoptr(CocoInitdata) two = coco_initdata_load_annotation(value, NULL);
    g_autoptr(GError) error = NULL;
    size_t len;

    cr_assert_not_null(one);
    cr_assert_not_null(two);
    cr_assert_str_eq(coco_initdata_toml(one, &len), coco_initdata_toml(two, &len));
    cr_assert_null(coco_initdata_load_toml(absent, &error));
    cr_assert_str_eq(error->message, absent_message);
    g_clear_error(&error);
    cr_assert_null(coco_initdata_load_annotation(dir, &error));
    cr_assert_str_eq(error->message, dir_message);
}

Test(initdata, free_takes_null)
{
    coco_initdata_free(NULL);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/initdata-binding.c: which initdata counts, which field it is bound to, what conflicts.
 */
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/initdata-binding.h"
#include "vmm/tee/tee-config.h"

#define ONE "version = '0.1.0'\nalgorithm = 'sha384'\n[data]\na = 'one'\n"
#define TWO "version = '0.1.0'\nalgorithm = 'sha256'\n[data]\na = 'two'\n"

/* sha384sum of ONE */
#define ONE_SHA384                                                                                 \
    "cfb4014343e3b2a20f601ae6f14254cb4fe1881a3e355c2e96d59b8a94d70a4f18f5601455e259cc1553dc38e111" \
    "aed6"
/* sha256sum of TWO */
#define TWO_SHA256 "aa3791a68f96ffde726dba5e904ed8dbac6184190920137830edcb0de0a2dac4"

static CocoVmConfig *
config_of(const char *format, const char *file)
{
    g_autofree char *text = g_strdup_printf("%s[guest]\ninitdata = %s\n", format, file);
    g_autoptr(GError) error = NULL;
    CocoVmConfig *config = coco_tee_config_parse("t.conf", text, strlen(text), NULL, &error);

    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    return config;
}

static void
expect_field(const char *config_text, const char *file, const CocoInitdataSource *source,
             const char *hex)
{
    g_autoptr(CocoVmConfig) config = config_of(config_text, file);
    g_auto(CocoInitdataBinding) binding = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) found = g_string_new(NULL);
    const uint8_t *bytes;
    gsize n;

    cr_assert(coco_initdata_binding_load(&binding, config, source, &error), "%s",
              error != NULL ? error->message : "");
    if (hex == NULL) {
        cr_assert_null(binding.host_data);
        return;
    }
    cr_assert_not_null(binding.host_data);
    bytes = g_bytes_get_data(binding.host_data, &n);
    for (gsize i = 0; i < n; i++)
        g_string_append_printf(found, "%02x", bytes[i]);
    cr_assert_str_eq(found->str, hex);
}

Test(initdata_binding, each_tee_has_its_field_or_none)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *one = scratch_dir_write(dir, "one.toml", ONE, strlen(ONE));
    g_autofree char *two = scratch_dir_write(dir, "two.toml", TWO, strlen(TWO));
    g_autofree char *cut = g_strndup(ONE_SHA384, 64);
    const CocoInitdataSource none = { 0 };

    expect_field("[vm]\ntee = snp\n", one, &none, cut);
    expect_field("[vm]\ntee = snp\n", two, &none, TWO_SHA256);
    expect_field("[vm]\ntee = tdx\n", one, &none, ONE_SHA384);
    expect_field("[vm]\ntee = tdx\n", two, &none, TWO_SHA256 "00000000000000000000000000000000");
    expect_field("[vm]\ntee = cca\n", two, &none,
                 TWO_SHA256 "0000000000000000000000000000000000000000000000000000000000000000");
    expect_field("[vm]\ntee = none\n", one, &none, NULL);
    expect_field("[vm]\ntee = sev\n", one, &none, NULL);
    expect_field("[vm]\ntee = snp\n", "", &none, NULL);
}

Test(initdata_binding, an_annotation_comes_before_the_config)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *one = scratch_dir_write(dir, "one.toml", ONE, strlen(ONE));
    g_autofree char *two = scratch_dir_write(dir, "two.toml", TWO, strlen(TWO));
    g_autoptr(CocoInitdata) initdata = coco_initdata_load_toml(two, NULL);
    g_autofree char *value = coco_initdata_annotation(initdata);
    g_autofree char *file = scratch_dir_write(dir, "two.b64", value, strlen(value));
    const CocoInitdataSource annotation = { .annotation_file = file, .toml_file = one };
    const CocoInitdataSource option = { .toml_file = two };

    expect_field("[vm]\ntee = snp\n", one, &annotation, TWO_SHA256);
    expect_field("[vm]\ntee = snp\n", one, &option, TWO_SHA256);
}

static void
expect_refusal(const char *config_text, const char *file, const char *annotation_file,
               const char *message)
{
    g_autoptr(CocoVmConfig) config = config_of(config_text, file);
    const CocoInitdataSource source = { .annotation_file = annotation_file };
    g_auto(CocoInitdataBinding) binding = { 0 };
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_initdata_binding_load(&binding, config, &source, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert_str_eq(error->message, message);
}

Test(initdata_binding, a_field_of_the_config_must_say_the_same)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *two = scratch_dir_write(dir, "two.toml", TWO, strlen(TWO));
    const CocoInitdataSource none = { 0 };

    expect_field("[vm]\ntee = snp\n[snp]\nhost_data = " TWO_SHA256 "\n", two, &none, TWO_SHA256);
    expect_refusal("[vm]\ntee = snp\n[snp]\nhost_data = "
                   "0000000000000000000000000000000000000000000000000000000000000000\n",
                   two, NULL,
                   "config 't.conf' line 4: [snp] host_data: it is not the sha256 of the initdata, "
                   "which is bound there; leave one of the two out");
}

/* The host could exchange it, and nothing would show that. */
Test(initdata_binding, what_is_bound_to_nothing_is_refused)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *one = scratch_dir_write(dir, "one.toml", ONE, strlen(ONE));
    g_autoptr(CocoInitdata) initdata = coco_initdata_load_toml(one, NULL);
    g_autofree char *value = coco_initdata_annotation(initdata);
    g_autofree char *file = scratch_dir_write(dir, "one.b64", value, strlen(value));

    expect_refusal("[vm]\ntee = se\n", one, NULL,
                   "config 't.conf' line 4: [guest] initdata: with tee = se initdata is bound to "
                   "nothing, and the host could exchange it unseen");
    expect_refusal("[vm]\ntee = sev-es\n[sev]\nkernel_hashes = no\n[debug]\n"
                   "insecure_kernel = true\n",
                   "", file,
                   "config 't.conf' line 8: [guest] initdata: with tee = sev-es and kernel_hashes "
                   "= no initdata is bound to nothing, and the host could exchange it unseen");
}

static void
expect_cmdline(const char *config_text, const char *file, const char *before, const char *after)
{
    g_autoptr(CocoVmConfig) config = config_of(config_text, file);
    const CocoInitdataSource none = { 0 };
    g_auto(CocoInitdataBinding) binding = { 0 };
    g_auto(CocoVmSpec) spec = { .config = config, .cmdline = g_strdup(before) };
    g_autoptr(GError) error = NULL;

    cr_assert(coco_initdata_binding_load(&binding, config, &none, &error));
    cr_assert_eq(coco_initdata_binding_apply(&binding, &spec, &error), after != NULL);
    if (after != NULL) {
        cr_assert_str_eq(spec.cmdline, after);
        return;
    }
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert(g_str_has_prefix(error->message, "config 't.conf': [guest] cmdline: the kernel's "
                                               "whole command line has "),
              "%s", error->message);
}

Test(initdata_binding, the_digest_is_on_the_command_line_where_there_is_no_field)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *one = scratch_dir_write(dir, "one.toml", ONE, strlen(ONE));
    g_autofree char *most = g_strnfill(2047, 'x');
    g_autofree char *more = g_strnfill(2048, 'x');

    expect_cmdline("[vm]\ntee = sev\n", one, "quiet",
                   "quiet coco.initdata_digest=sha384:" ONE_SHA384);
    expect_cmdline("[vm]\ntee = sev-es\n", one, "quiet",
                   "quiet coco.initdata_digest=sha384:" ONE_SHA384);
    expect_cmdline("[vm]\ntee = sev\n", "", "quiet", "quiet");
    expect_cmdline("[vm]\ntee = snp\n", one, "quiet", "quiet");
    expect_cmdline("[vm]\ntee = none\n", one, most, most);
    /* The kernel cuts it. */
    expect_cmdline("[vm]\ntee = none\n", one, more, NULL);
    expect_cmdline("[vm]\ntee = sev\n", one, most, NULL);
}

Test(initdata_binding, bad_initdata_is_told)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *bad = scratch_dir_write(dir, "bad.toml", "x = 1\n", 6);
    g_autofree char *message =
        g_strdup_printf("file '%s': initdata: line 1: the value of 'x' is not a string", bad);

    expect_refusal("[vm]\ntee = none\n", bad, NULL, message);
    expect_refusal(
        "[vm]\ntee = none\n", "", bad,
        "annotation cc_init_data: initdata: it is not base64 (standard alphabet, padded)");
}

Test(initdata_binding, the_disk_is_written_for_the_qemu_user)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *one = scratch_dir_write(dir, "one.toml", ONE, strlen(ONE));
    g_autofree char *path = g_build_filename(dir, "r", NULL);
    g_autofree char *disk = g_build_filename(path, COCO_INITDATA_DISK, NULL);
    g_autoptr(CocoRunDir) run_dir = coco_run_dir_new(path, NULL);
    g_autoptr(CocoVmConfig) config = config_of("[vm]\ntee = none\n", one);
    const CocoInitdataSource none = { 0 };
    g_auto(CocoInitdataBinding) binding = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) image = NULL;
    g_autofree char *written = NULL;
    struct stat info;
    gsize n;

    cr_assert(coco_run_dir_claim(run_dir, NULL) && coco_run_dir_prepare(run_dir, NULL));
    cr_assert(coco_initdata_binding_write(&binding, run_dir, NULL));
    cr_assert_neq(stat(disk, &info), 0, "without initdata there is no disk");
    cr_assert(coco_initdata_binding_load(&binding, config, &none, NULL));
    cr_assert(coco_initdata_binding_write(&binding, run_dir, NULL));
    cr_assert_eq(stat(disk, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0444);
    image = coco_initdata_image(binding.initdata);
    cr_assert(g_file_get_contents(disk, &written, &n, NULL));
    cr_assert_eq(n, g_bytes_get_size(image));
    cr_assert_eq(memcmp(written, g_bytes_get_data(image, NULL), n), 0);
    cr_assert_not(coco_initdata_binding_write(&binding, run_dir, &error), "it was there already");
    cr_assert_not_null(strstr(error->message, "initdata.img': File exists"));
}

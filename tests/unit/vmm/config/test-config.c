// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/config/config.c and config-load.c: what is read, what wins, and what each mistake is told to
 * be.
 */
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/config.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/tee-config.h"

static CocoVmConfig *
parse(const char *text, const char *const *overrides, GError **error)
{
    return coco_tee_config_parse("test.conf", text, strlen(text), overrides, error);
}

Test(config, defaults_are_there_when_only_tee_is_given)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config = parse("[vm]\ntee = none\n", NULL, &error);

    cr_assert_null(error);
    cr_assert_eq(coco_vm_config_choice(config, COCO_KEY_VM_TEE), COCO_TEE_NONE);
    cr_assert_eq(coco_vm_config_choice(config, COCO_KEY_VM_ACCEL), COCO_ACCEL_AUTO);
    cr_assert_eq(coco_vm_config_number(config, COCO_KEY_VM_VCPUS), 1);
    cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_HOST_QEMU_USER), "libvirt-qemu");
    cr_assert_not(coco_vm_config_bool(config, COCO_KEY_DEBUG_GUEST_VERBOSE));
}

Test(config, every_kind_of_value_is_read)
{
    static const char text[] = "[vm]\ntee=snp\nvcpus=255\nmemory_mib=4194304\ncpu=EPYC-v4\n"
                               "[guest]\ncmdline=a=b c\nkernel=/k\n[debug]\nguest_verbose=true\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config = parse(text, NULL, &error);

    cr_assert_null(error);
    cr_assert_eq(coco_vm_config_choice(config, COCO_KEY_VM_TEE), COCO_TEE_SNP);
    cr_assert_eq(coco_vm_config_number(config, COCO_KEY_VM_VCPUS), 255);
    cr_assert_eq(coco_vm_config_number(config, COCO_KEY_VM_MEMORY_MIB), 4194304);
    cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_GUEST_CMDLINE), "a=b c");
    cr_assert(coco_vm_config_bool(config, COCO_KEY_DEBUG_GUEST_VERBOSE));
}

Test(config, overrides_win)
{
    static const char *const overrides[] = { "vm.vcpus=2", "guest.cmdline=x=y.z", "vm.vcpus=3",
                                             NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config = parse("[vm]\ntee=none\nvcpus=9\n", overrides, &error);

    cr_assert_null(error);
    cr_assert_eq(coco_vm_config_number(config, COCO_KEY_VM_VCPUS), 3);
    cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_GUEST_CMDLINE), "x=y.z");
}

static const struct {
    const char *text;
    const char *override;
    const char *message;
} mistakes[] = {
    { "", NULL, "config 'test.conf': [vm] tee is missing, and it has no default" },
    { "[vm]\ntee=none\n\nwrong=1\n", NULL, "config 'test.conf' line 4: [vm] wrong: unknown key" },
    { "[vm]\ntee=none\n[gest]\na=b\n", NULL, "config 'test.conf' line 3: [gest]: unknown group" },
    { "[vm]\ntee=sgx\n", NULL,
      "config 'test.conf' line 2: [vm] tee: 'sgx' is not one of none, sev, sev-es, snp, tdx, se, "
      "cca" },
    { "[vm]\ntee=none\nvcpus=0\n", NULL,
      "config 'test.conf' line 3: [vm] vcpus: '0' is not a number from 1 to 255" },
    { "[vm]\ntee=none\nvcpus=+1\n", NULL,
      "config 'test.conf' line 3: [vm] vcpus: '+1' is not a number from 1 to 255" },
    { "[vm]\ntee=none\nvcpus=99999999999999999999\n", NULL,
      "config 'test.conf' line 3: [vm] vcpus: '99999999999999999999' is not a number from 1 to "
      "255" },
    { "[vm]\ntee=none\n[guest]\nkernel=boot/k\n", NULL,
      "config 'test.conf' line 4: [guest] kernel: 'boot/k' is not an absolute path" },
    { "[vm]\ntee=none\nmachine=q35,a b\n", NULL,
      "config 'test.conf' line 3: [vm] machine: 'q35,a b' contains ' ', which is not allowed "
      "here" },
    { "[vm]\ntee=none\n[debug]\nguest_verbose=yes\n", NULL,
      "config 'test.conf' line 4: [debug] guest_verbose: 'yes' is neither true nor false" },
    { "[vm]\ntee=none\n[guest]\ncmdline=a\\nb\n", NULL,
      "config 'test.conf' line 4: [guest] cmdline: the value contains a control character (0x0a)" },
    { "[vm]\ntee=none\n[guest]\ncmdline=\\x\n", NULL,
      "config 'test.conf' line 4: [guest] cmdline: the value is no UTF-8 or has a stray backslash "
      "(write \\\\ for one)" },
    { "[vm]\ntee=none\n", "vm.vcpus", "override 'vm.vcpus': expected GROUP.KEY=VALUE" },
    { "[vm]\ntee=none\n", "vm.x=1", "override 'vm.x=1': [vm] x: unknown key" },
    { "[vm]\ntee=none\n", "vm.accel=x",
      "override 'vm.accel=x': [vm] accel: 'x' is not one of auto, "
      "kvm, tcg" },
};

Test(config, each_mistake_names_place_and_cause)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        const char *const overrides[] = { mistakes[i].override, NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(CocoVmConfig) config = parse(mistakes[i].text, overrides, &error);

        cr_assert_null(config, "mistake %zu was accepted", i);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, mistakes[i].message);
    }
}

Test(config, text_that_is_no_key_file_is_refused)
{
    static const char nul[] = "[vm]\ntee=none\0\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) nul_error = NULL;

    cr_assert_null(parse("tee=none\n", NULL, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert_null(coco_tee_config_parse("n", nul, sizeof nul - 1, NULL, &nul_error));
    cr_assert_str_eq(nul_error->message, "config 'n': the file contains a NUL byte");
}

Test(config, drop_ins_are_read_in_name_order)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *file = scratch_dir_write(dir, "a.conf", "[vm]\ntee=none\nvcpus=1\n", 22);
    g_autofree char *second = scratch_dir_write(dir, "a.conf.d/20.conf", "[vm]\nvcpus=20\n", 14);
    g_autofree char *first = scratch_dir_write(dir, "a.conf.d/10.conf", "[vm]\nvcpus=10\n", 14);
    g_autofree char *other = scratch_dir_write(dir, "a.conf.d/30.txt", "nonsense", 8);
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config = coco_tee_config_load(file, NULL, &error);

    cr_assert_null(error);
    cr_assert_eq(coco_vm_config_number(config, COCO_KEY_VM_VCPUS), 20);
}

Test(config, a_bad_drop_in_is_named)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *file = scratch_dir_write(dir, "a.conf", "[vm]\ntee=none\n", 14);
    g_autofree char *drop_in = scratch_dir_write(dir, "a.conf.d/x.conf", "[vm]\nvcpus=no\n", 14);
    g_autofree char *expected = g_strdup_printf(
        "config '%s' line 2: [vm] vcpus: 'no' is not a number from 1 to 255", drop_in);
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_tee_config_load(file, NULL, &error));
    cr_assert_str_eq(error->message, expected);
}

Test(config, what_is_no_file_is_an_error_and_no_hang)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *fifo = g_build_filename(dir, "fifo", NULL);
    g_autofree char *absent = g_build_filename(dir, "absent", NULL);
    g_autofree char *expected =
        g_strdup_printf("read config '%s': No such file or directory", absent);
    g_autoptr(GError) fifo_error = NULL;
    g_autoptr(GError) dir_error = NULL;
    g_autoptr(GError) absent_error = NULL;

    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_null(coco_tee_config_load(fifo, NULL, &fifo_error));
    cr_assert_null(coco_tee_config_load(dir, NULL, &dir_error));
    cr_assert_null(coco_tee_config_load(absent, NULL, &absent_error));
    cr_assert_str_eq(absent_error->message, expected);
    cr_assert(g_error_matches(absent_error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
}

Test(config, free_takes_null)
{
    coco_vm_config_free(NULL);
}

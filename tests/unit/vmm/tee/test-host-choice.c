// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/host-choice.c with device nodes and modules of our own.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/host-choice.h"
#include "vmm/tee/tee-config.h"

static bool
choose(const char *text, const CocoHostPaths *paths, CocoHostChoice *choice, GError **error)
{
    g_autoptr(CocoVmConfig) config = coco_tee_config_parse("c", text, strlen(text), NULL, NULL);

    cr_assert_not_null(config);
    return coco_host_choose(config, paths, choice, error);
}

Test(host_choice, auto_takes_what_is_there)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *kvm = scratch_dir_write(dir, "kvm", "", 0);
    g_autofree char *vsock = scratch_dir_write(dir, "vsock", "", 0);
    g_autofree char *module = scratch_dir_write(dir, "module/kvm_amd/x", "", 0);
    g_autofree char *modules = g_build_filename(dir, "module", NULL);
    CocoHostPaths paths = { kvm, vsock, modules };
    g_auto(CocoHostChoice) choice = { 0 };

    cr_assert(choose("[vm]\ntee=none\n", &paths, &choice, NULL));
    cr_assert_eq(choice.accel, COCO_ACCEL_KVM);
    cr_assert_eq(choice.transport, COCO_TRANSPORT_VSOCK);
    cr_assert_not_null(strstr(choice.accel_reason, "kvm_amd is loaded"));
}

Test(host_choice, a_device_without_its_module_does_not_count)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *kvm = scratch_dir_write(dir, "kvm", "", 0);
    g_autofree char *pvm = scratch_dir_write(dir, "module/kvm_pvm/x", "", 0);
    g_autofree char *modules = g_build_filename(dir, "module", NULL);
    CocoHostPaths paths = { kvm, "/proc/nonexistent", modules };
    g_auto(CocoHostChoice) choice = { 0 };
    g_autoptr(GError) error = NULL;

    cr_assert(choose("[vm]\ntee=none\n", &paths, &choice, NULL));
    cr_assert_eq(choice.accel, COCO_ACCEL_TCG);
    cr_assert_eq(choice.transport, COCO_TRANSPORT_CHANNEL);
    cr_assert_not_null(strstr(choice.accel_reason, "neither kvm_intel nor kvm_amd is loaded"));
    cr_assert_str_eq(choice.transport_reason, "/proc/nonexistent: No such file or directory");
    cr_assert_not(choose("[vm]\ntee=none\naccel=kvm\n", &paths, &choice, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert(g_str_has_prefix(error->message, "accel = kvm is not possible on this host: "));
}

Test(host_choice, what_is_asked_for_is_what_runs)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *node = scratch_dir_write(dir, "node", "", 0);
    CocoHostPaths paths = { node, node, dir };
    CocoHostPaths nothing = { "/proc/nonexistent", "/proc/nonexistent", "/proc/nonexistent" };
    g_auto(CocoHostChoice) choice = { 0 };
    g_autoptr(GError) error = NULL;

    cr_assert(choose("[vm]\ntee=none\naccel=tcg\ntransport=channel\n", &paths, &choice, NULL));
    cr_assert_eq(choice.accel, COCO_ACCEL_TCG);
    cr_assert_eq(choice.transport, COCO_TRANSPORT_CHANNEL);
    cr_assert_not(
        choose("[vm]\ntee=none\naccel=tcg\ntransport=vsock\n", &nothing, &choice, &error));
    cr_assert_str_eq(error->message, "transport = vsock is not possible on this host: "
                                     "/proc/nonexistent: No such file or directory");
}

Test(vmm_error, every_code_has_a_name_and_back)
{
    for (CocoVmmError code = 0; code < COCO_N_VMM_ERRORS; code++) {
        CocoVmmError found = COCO_N_VMM_ERRORS;

        cr_assert(coco_vmm_error_from_name(coco_vmm_error_name(code), &found));
        cr_assert_eq(found, code);
    }
}

// SPDX-License-Identifier: Apache-2.0
/*
 * coco_measure(): looks at the sizes, hashes each input once, and lets the TEE's own part do the
 * rest (measure/measure-*.c).
 */
#include "vmm/measure/measure.h"

#include <string.h>

#include "vmm/config/vmm-error.h"
#include "vmm/measure/digest.h"
#include "vmm/measure/kernel-check.h"
#include "vmm/measure/per-tee.h"

static const CocoMeasureTee parts[COCO_N_TEES] = {
    [COCO_TEE_SEV] = coco_measure_sev, [COCO_TEE_SEV_ES] = coco_measure_sev,
    [COCO_TEE_SNP] = coco_measure_snp, [COCO_TEE_TDX] = coco_measure_tdx,
    [COCO_TEE_SE] = coco_measure_se,   [COCO_TEE_CCA] = coco_measure_cca,
};

static const char *
tee_name(const CocoMeasureInput *input)
{
    return coco_vm_config_choice_name(COCO_KEY_VM_TEE, (int) input->tee);
}

bool
coco_measure_lacks(const CocoMeasureInput *input, const char *what, GError **error)
{
    return coco_vmm_bad_config(error, "a measurement for %s needs %s, and none is given",
                               tee_name(input), what);
}

void
coco_measure_kernel_check(const CocoFirmware *firmware, CocoMeasurement *out)
{
    out->kernel_is_free = !coco_firmware_checks_kernel(firmware);
    if (out->kernel_is_free)
        coco_measure_state(out, "launch_digest",
                           "the firmware has a place for the hashes of kernel, initrd and command "
                           "line and does not compare them: the host can boot others under this "
                           "digest");
}

void
coco_measure_fit(const uint8_t *digest, size_t digest_len, size_t len, CocoDigest *out)
{
    *out = (CocoDigest){ .len = len };
    if (digest != NULL)
        memcpy(out->bytes, digest, MIN(digest_len, len));
}

static bool
hash_input(CocoHash *hash, const char *what, GBytes *bytes, CocoDigest *out, GError **error)
{
    size_t len = 0;
    const void *data;

    if (bytes == NULL)
        return true;
    data = g_bytes_get_data(bytes, &len);
    if (len > COCO_MEASURE_MAX_BLOB)
        return coco_vmm_bad_config(error, "%s: %zu bytes are more than the limit of %llu", what,
                                   len, COCO_MEASURE_MAX_BLOB);
    return coco_hash_once(hash, data, len, out, error);
}

static bool
hash_inputs(const CocoMeasureInput *input, CocoMeasurement *out, GError **error)
{
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, error);
    const char *cmdline = input->cmdline != NULL ? input->cmdline : "";

    return hash != NULL &&
           hash_input(hash, "firmware", input->firmware, &out->firmware_sha256, error) &&
           hash_input(hash, "kernel", input->kernel, &out->kernel_sha256, error) &&
           hash_input(hash, "initrd", input->initrd, &out->initrd_sha256, error) &&
           hash_input(hash, "dtb", input->cca.dtb, &out->dtb_sha256, error) &&
           /* with its NUL, as the guest gets it */
           coco_hash_once(hash, cmdline, strlen(cmdline) + 1, &out->cmdline_sha256, error);
}

bool
coco_measure_supports(CocoTee tee, GError **error)
{
    if (parts[tee] == NULL)
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "tee = %s has no launch measurement",
                    coco_vm_config_choice_name(COCO_KEY_VM_TEE, (int) tee));
    return parts[tee] != NULL;
}

static bool
check(const CocoMeasureInput *input, GError **error)
{
    const char *wrong = NULL;

    if (!coco_measure_supports(input->tee, error))
        return false;
    if (input->initrd != NULL && input->kernel == NULL)
        wrong = "an initrd is given without a kernel";
    else if (input->cmdline != NULL && strlen(input->cmdline) > COCO_MEASURE_MAX_CMDLINE)
        wrong = "the kernel command line is longer than 64 KiB";
    else if ((input->tee == COCO_TEE_SEV_ES || input->tee == COCO_TEE_SNP) &&
             (input->vcpus == 0 || input->vcpus > COCO_MEASURE_MAX_VCPUS))
        wrong = "the number of vCPUs is not from 1 to 4096";
    if (wrong != NULL)
        g_set_error_literal(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG, wrong);
    return wrong == NULL;
}

bool
coco_measure(const CocoMeasureInput *input, const CocoMeasureTrace *trace, CocoMeasurement *out,
             GError **error)
{
    g_return_val_if_fail((unsigned int) input->tee < COCO_N_TEES, false);
    *out = (CocoMeasurement){ 0 };
    return check(input, error) && hash_inputs(input, out, error) &&
           parts[input->tee](input, trace, out, error);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * SEV and SEV-ES: one SHA-256 over what the host encrypts before the start: the firmware, the table
 * of hashes when a kernel is given, and for SEV-ES the first registers of each vCPU. And the HMAC
 * in which the firmware reports it.
 */
#include "vmm/measure/per-tee.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "vmm/config/vmm-error.h"
#include "vmm/measure/digest.h"
#include "vmm/measure/measure.h"
#include "vmm/measure/sev-hashes.h"
#include "vmm/measure/vmsa.h"

static bool
add(CocoHash *hash, const CocoMeasureTrace *trace, const char *label, uint64_t gpa,
    const uint8_t *data, size_t len, GError **error)
{
    CocoDigest so_far = { 0 };

    coco_hash_update(hash, data, len);
    if (trace == NULL)
        return true;
    if (!coco_hash_peek(hash, &so_far, error))
        return false;
    coco_measure_tell(trace, "launch_digest", label, gpa, len, NULL, &so_far);
    return true;
}

static bool
add_hashes(CocoHash *hash, const CocoFirmware *firmware, const CocoMeasureTrace *trace,
           const CocoMeasurement *out, GError **error)
{
    uint8_t table[COCO_SEV_HASHES_BYTES];
    uint32_t gpa = 0;

    return coco_sev_hashes_find(firmware, &gpa, error) && coco_sev_hashes_fill(out, table, error) &&
           add(hash, trace, "hashes of kernel, initrd, cmdline", gpa, table, sizeof table, error);
}

static bool
add_vcpus(CocoHash *hash, const CocoFirmware *firmware, const CocoMeasureInput *input,
          const CocoMeasureTrace *trace, GError **error)
{
    CocoVmsa vmsa = { .eip = COCO_VMSA_BSP_EIP,
                      .features = input->vmsa_features_given ? input->vmsa_features : 0,
                      .fpu = input->sev_es_vm_type == COCO_SEV_ES_CURRENT };
    uint8_t page[COCO_PAGE_BYTES];
    uint32_t ap_eip = 0;

    if (!coco_cpu_signature(input->cpu_model, &vmsa.cpu_signature, error) ||
        (input->vcpus > 1 && !coco_firmware_reset_eip(firmware, &ap_eip, error)))
        return false;
    for (unsigned int i = 0; i < input->vcpus; i++) {
        g_autofree char *label = g_strdup_printf("VMSA of vCPU %u", i);

        vmsa.eip = i == 0 ? COCO_VMSA_BSP_EIP : ap_eip;
        coco_vmsa_fill(&vmsa, page);
        if (!add(hash, trace, label, UINT64_MAX, page, sizeof page, error))
            return false;
    }
    return true;
}

bool
coco_measure_sev(const CocoMeasureInput *input, const CocoMeasureTrace *trace, CocoMeasurement *out,
                 GError **error)
{
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, error);
    CocoFirmware firmware;

    if (input->firmware == NULL)
        return coco_measure_lacks(input, "a firmware", error);
    if (input->tee == COCO_TEE_SEV_ES && input->cpu_model == NULL)
        return coco_measure_lacks(input, "a CPU model", error);
    if (hash == NULL || !coco_firmware_open(input->firmware, &firmware, error) ||
        !add(hash, trace, "firmware", coco_firmware_gpa(&firmware), firmware.data, firmware.len,
             error))
        return false;
    if (input->kernel != NULL && !input->no_kernel_hashes) {
        if (!add_hashes(hash, &firmware, trace, out, error))
            return false;
        coco_measure_kernel_check(&firmware, out);
    }
    if (input->tee == COCO_TEE_SEV_ES && !add_vcpus(hash, &firmware, input, trace, error))
        return false;
    return coco_hash_finish(hash, &out->launch_digest, error);
}

bool
coco_sev_launch_hmac(const CocoSevFirmware *firmware, const CocoDigest *launch_digest,
                     const uint8_t tik[16], const uint8_t nonce[16], CocoDigest *out,
                     GError **error)
{
    /* 4 stands for the measurement of a launch. */
    uint8_t message[8 + 32 + 16] = { 4, firmware->api_major, firmware->api_minor, firmware->build };

    g_return_val_if_fail(launch_digest->len == 32, false);
    coco_put_le32(message + 4, firmware->policy);
    memcpy(message + 8, launch_digest->bytes, 32);
    memcpy(message + 40, nonce, 16);
    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA2-256", NULL, tik, 16, message, sizeof message,
                  out->bytes, sizeof out->bytes, &out->len) != NULL)
        return true;
    return coco_vmm_failed(error, "compute the SEV launch measurement: OpenSSL has no HMAC-SHA256");
}

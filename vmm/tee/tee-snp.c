// SPDX-License-Identifier: Apache-2.0
/*
 * tee = snp: AMD SEV-SNP. The launch digest covers the firmware, the hashes of kernel, initrd and
 * command line, and the first state of each CPU; policy and host data are in the report beside it.
 */
#include "vmm/tee/domain-facts.h"
#include "vmm/tee/tee-policy.h"
#include "vmm/tee/tee-probe.h"
#include "vmm/tee/tee.h"
#include "vmm/xml/xml-writer.h"

static const CocoTeeDefault defaults[] = {
    { COCO_KEY_VM_CPU, "EPYC-v4" },
    { COCO_KEY_GUEST_FIRMWARE, COCO_FIRMWARE_AMDSEV },
    { COCO_KEY_VM_MEMORY_MIB, COCO_TEE_MEMORY_MIB },
    { COCO_KEY_GUEST_ROOTFS, "guest-pull" },
    { COCO_KEY_GUEST_AGENT_TIMEOUT_S, COCO_TEE_AGENT_TIMEOUT_S },
    { COCO_KEY_HOST_BOOT_FILES, "copy" },
    { 0 },
};

static bool
validate(const CocoVmConfig *config, GError **error)
{
    if (!coco_tee_need_both(config, COCO_KEY_SNP_ID_BLOCK, COCO_KEY_SNP_ID_AUTH, error))
        return false;
    if (coco_vm_config_bool(config, COCO_KEY_SNP_AUTHOR_KEY) &&
        !coco_vm_config_is_set(config, COCO_KEY_SNP_ID_AUTH))
        return coco_vm_config_error(config, COCO_KEY_SNP_AUTHOR_KEY, error,
                                    "yes needs id_auth, where the author key is");
    return coco_tee_check_amd_cpu(config, error);
}

static const char *
word(const CocoVmConfig *config, CocoKey key)
{
    return coco_vm_config_bool(config, key) ? "yes" : "no";
}

static void
write_security(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    GBytes *host_data = facts->host_data != NULL
                            ? facts->host_data
                            : coco_vm_config_bytes(config, COCO_KEY_SNP_HOST_DATA);

    coco_xml_open(w, "launchSecurity");
    coco_xml_attribute(w, "type", "sev-snp");
    coco_xml_attribute(w, "kernelHashes", word(config, COCO_KEY_SNP_KERNEL_HASHES));
    coco_xml_attribute(w, "authorKey", word(config, COCO_KEY_SNP_AUTHOR_KEY));
    coco_xml_attribute(w, "vcek", word(config, COCO_KEY_SNP_VCEK));
    coco_tee_policy_write(w, config);
    coco_xml_bytes(w, "guestVisibleWorkarounds",
                   coco_vm_config_bytes(config, COCO_KEY_SNP_GUEST_VISIBLE_WORKAROUNDS));
    coco_xml_bytes(w, "idBlock", coco_boot_files_blob(facts->boot, COCO_BOOT_ID_BLOCK));
    coco_xml_bytes(w, "idAuth", coco_boot_files_blob(facts->boot, COCO_BOOT_ID_AUTH));
    coco_xml_bytes(w, "hostData", host_data);
    coco_xml_close(w);
}

/* SNP guests take their ASIDs from SEV-ES's part. */
static void
probe(const CocoTeeHost *host, GPtrArray *findings)
{
    coco_tee_probe_amd(host, "sev_snp", "sev_es", findings);
}

const struct CocoTeeOps coco_tee_snp = {
    .tee = COCO_TEE_SNP,
    .group = "snp",
    .arch = "x86_64",
    .machine = "q35",
    .sec_type = "sev-snp",
    .min_libvirt = COCO_VERSION_OF(10, 5, 0),
    .min_qemu = COCO_VERSION_OF(9, 1, 0),
    .min_kernel = COCO_VERSION_OF(6, 11, 0),
    .device = "/dev/sev",
    .qemu_object = "sev-snp-guest",
    .object_is_new = true,
    .kernel_mark = "/sys/module/kvm_amd/parameters/sev_snp",
    .probe = probe,
    .defaults = defaults,
    .validate = validate,
    .write_security = write_security,
    .host_data_key = COCO_KEY_SNP_HOST_DATA,
    .host_data_size = 32,
};

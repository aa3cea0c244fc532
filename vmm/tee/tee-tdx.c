// SPDX-License-Identifier: Apache-2.0
/*
 * tee = tdx: Intel TDX. MRTD covers the firmware; the firmware and the kernel's EFI stub measure
 * the rest into RTMRs, and what the host binds is in MRCONFIGID, MROWNER and MROWNERCONFIG.
 */
#include "vmm/tee/domain-facts.h"
#include "vmm/tee/tee-policy.h"
#include "vmm/tee/tee-probe.h"
#include "vmm/tee/tee.h"
#include "vmm/xml/xml-writer.h"

static const CocoTeeDefault defaults[] = {
    { COCO_KEY_GUEST_FIRMWARE, COCO_FIRMWARE_GENERIC },
    { COCO_KEY_VM_MEMORY_MIB, COCO_TEE_MEMORY_MIB },
    { COCO_KEY_GUEST_ROOTFS, "guest-pull" },
    { COCO_KEY_GUEST_AGENT_TIMEOUT_S, COCO_TEE_AGENT_TIMEOUT_S },
    { COCO_KEY_HOST_BOOT_FILES, "copy" },
    { 0 },
};

static bool
validate(const CocoVmConfig *config, GError **error)
{
    /* QEMU exits with "Named cpu model is not supported for TDX yet!", and libvirt does not know.
     */
    if (coco_vm_config_is_set(config, COCO_KEY_VM_CPU))
        return coco_vm_config_error(config, COCO_KEY_VM_CPU, error,
                                    "must be empty: a TDX guest has the CPU of its host");
    return true;
}

static void
write_security(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    const char *quotes = coco_vm_config_string(config, COCO_KEY_TDX_QUOTE_GENERATION_SERVICE);
    GBytes *mrconfigid = facts->host_data != NULL
                             ? facts->host_data
                             : coco_vm_config_bytes(config, COCO_KEY_TDX_MRCONFIGID);

    coco_xml_open(w, "launchSecurity");
    coco_xml_attribute(w, "type", "tdx");
    coco_tee_policy_write(w, config);
    coco_xml_bytes(w, "mrConfigId", mrconfigid);
    coco_xml_bytes(w, "mrOwner", coco_vm_config_bytes(config, COCO_KEY_TDX_MROWNER));
    coco_xml_bytes(w, "mrOwnerConfig", coco_vm_config_bytes(config, COCO_KEY_TDX_MROWNERCONFIG));
    if (quotes[0] != '\0')
        coco_xml_leaf(w, "quoteGenerationService", "path", quotes, NULL);
    coco_xml_close(w);
}

static void
probe(const CocoTeeHost *host, GPtrArray *findings)
{
    coco_probe_device(host, "/dev/kvm", "load kvm_intel, and let the QEMU user open it", findings);
    coco_probe_cpu_flag(host, "tdx_host_platform", "use a CPU with TDX and enable it in the BIOS",
                        findings);
    coco_probe_parameter(host, "kvm_intel", "tdx", findings);
    coco_probe_slots(host, "tdx", findings);
}

const struct CocoTeeOps coco_tee_tdx = {
    .tee = COCO_TEE_TDX,
    .group = "tdx",
    .arch = "x86_64",
    .machine = "q35",
    .sec_type = "tdx",
    .min_libvirt = COCO_VERSION_OF(11, 6, 0),
    .min_qemu = COCO_VERSION_OF(10, 1, 0),
    .min_kernel = COCO_VERSION_OF(6, 16, 0),
    .qemu_object = "tdx-guest",
    .object_is_new = true,
    .kernel_mark = "/sys/module/kvm_intel/parameters/tdx",
    .probe = probe,
    .defaults = defaults,
    .validate = validate,
    .write_security = write_security,
    .host_data_key = COCO_KEY_TDX_MRCONFIGID,
    .host_data_size = 48,
};

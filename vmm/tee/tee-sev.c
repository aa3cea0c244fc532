// SPDX-License-Identifier: Apache-2.0
/*
 * tee = sev and tee = sev-es: AMD's first two generations. They share everything but one policy bit
 * and what the host must be able to do.
 *
 * Neither has a place for host data: the digest of initdata is on the command line, which is
 * measured with the hashes, and a relying party must give its secret through the pre-attestation of
 * the launch ([sev] attest).
 */
#include "vmm/tee/domain-facts.h"
#include "vmm/tee/tee-policy.h"
#include "vmm/tee/tee-probe.h"
#include "vmm/tee/tee.h"
#include "vmm/xml/xml-writer.h"

/* The hashes came with 6.2, and with 7.1 a -bios whose table of GUIDs is read, which is how the
 * firmware is given. */
#define SEV_MIN_QEMU COCO_VERSION_OF(7, 1, 0)

/* EPYC-IBPB is EPYC-v2 by the name that libvirt before 11.0 knows too; both measure the same. */
static const CocoTeeDefault sev_defaults[] = {
    { COCO_KEY_VM_CPU, "EPYC-IBPB" },
    { COCO_KEY_GUEST_FIRMWARE, COCO_FIRMWARE_AMDSEV },
    { COCO_KEY_VM_MEMORY_MIB, COCO_TEE_MEMORY_MIB },
    { COCO_KEY_GUEST_ROOTFS, "guest-pull" },
    { COCO_KEY_GUEST_AGENT_TIMEOUT_S, COCO_TEE_AGENT_TIMEOUT_S },
    { COCO_KEY_HOST_BOOT_FILES, "copy" },
    { 0 },
};

static const CocoTeeDefault sev_es_defaults[] = {
    { COCO_KEY_VM_CPU, "EPYC-IBPB" },
    { COCO_KEY_GUEST_FIRMWARE, COCO_FIRMWARE_AMDSEV },
    { COCO_KEY_VM_MEMORY_MIB, COCO_TEE_MEMORY_MIB },
    { COCO_KEY_GUEST_ROOTFS, "guest-pull" },
    { COCO_KEY_GUEST_AGENT_TIMEOUT_S, COCO_TEE_AGENT_TIMEOUT_S },
    { COCO_KEY_HOST_BOOT_FILES, "copy" },
    { COCO_KEY_SEV_ES, "yes" },
    { 0 },
};

/* Without a session of the owner's nobody outside the processor knows the measurement's key. */
static bool
check_attest(const CocoVmConfig *config, GError **error)
{
    unsigned int launch_timeout_s = coco_vm_config_number(config, COCO_KEY_HOST_LAUNCH_TIMEOUT_S);

    if (!coco_vm_config_is_set(config, COCO_KEY_SEV_ATTEST))
        return true;
    if (!coco_vm_config_is_set(config, COCO_KEY_SEV_SESSION))
        return coco_vm_config_error(config, COCO_KEY_SEV_ATTEST, error,
                                    "it needs dh_cert and session: without them nobody has the key "
                                    "to check the measurement with");
    if (coco_vm_config_number(config, COCO_KEY_SEV_ATTEST_TIMEOUT_S) >= launch_timeout_s)
        return coco_vm_config_error(config, COCO_KEY_SEV_ATTEST_TIMEOUT_S, error,
                                    "it must be less than [host] launch_timeout_s = %u",
                                    launch_timeout_s);
    return true;
}

static bool
validate(const CocoVmConfig *config, GError **error)
{
    bool es = coco_tee_of(config)->tee == COCO_TEE_SEV_ES;

    if (coco_vm_config_bool(config, COCO_KEY_SEV_ES) != es)
        return coco_vm_config_error(config, COCO_KEY_SEV_ES, error, "tee = %s needs es = %s",
                                    es ? "sev-es" : "sev", es ? "yes" : "no");
    if (coco_vm_config_is_set(config, COCO_KEY_SEV_POLICY) &&
        ((coco_vm_config_mask(config, COCO_KEY_SEV_POLICY) & 4) != 0) != es)
        return coco_vm_config_error(config, COCO_KEY_SEV_POLICY, error,
                                    "with tee = %s bit 2 (SEV-ES) must be %d",
                                    es ? "sev-es" : "sev", es);
    return coco_tee_need_both(config, COCO_KEY_SEV_DH_CERT, COCO_KEY_SEV_SESSION, error) &&
           check_attest(config, error) && coco_tee_check_amd_cpu(config, error);
}

static void
write_security(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    coco_xml_open(w, "launchSecurity");
    coco_xml_attribute(w, "type", "sev");
    coco_xml_attribute(w, "kernelHashes",
                       coco_vm_config_bool(config, COCO_KEY_SEV_KERNEL_HASHES) ? "yes" : "no");
    coco_tee_policy_write(w, config);
    coco_xml_bytes(w, "dhCert", coco_boot_files_blob(facts->boot, COCO_BOOT_DH_CERT));
    coco_xml_bytes(w, "session", coco_boot_files_blob(facts->boot, COCO_BOOT_SESSION));
    coco_xml_close(w);
}

static void
probe_sev(const CocoTeeHost *host, GPtrArray *findings)
{
    coco_tee_probe_amd(host, "sev", "sev", findings);
}

static void
probe_sev_es(const CocoTeeHost *host, GPtrArray *findings)
{
    coco_tee_probe_amd(host, "sev_es", "sev_es", findings);
}

const struct CocoTeeOps coco_tee_sev = {
    .tee = COCO_TEE_SEV,
    .group = "sev",
    .arch = "x86_64",
    .machine = "q35",
    .sec_type = "sev",
    .min_libvirt = COCO_VERSION_OF(8, 0, 0),
    .min_qemu = SEV_MIN_QEMU,
    .device = "/dev/sev",
    .qemu_object = "sev-guest",
    .defaults = sev_defaults,
    .probe = probe_sev,
    .validate = validate,
    .write_security = write_security,
    .host_data_key = COCO_N_KEYS,
    .cmdline_key = COCO_KEY_SEV_KERNEL_HASHES,
};

const struct CocoTeeOps coco_tee_sev_es = {
    .tee = COCO_TEE_SEV_ES,
    .group = "sev",
    .arch = "x86_64",
    .machine = "q35",
    .sec_type = "sev",
    .min_libvirt = COCO_VERSION_OF(8, 0, 0),
    .min_qemu = SEV_MIN_QEMU,
    .device = "/dev/sev",
    .qemu_object = "sev-guest",
    .defaults = sev_es_defaults,
    .probe = probe_sev_es,
    .validate = validate,
    .write_security = write_security,
    .host_data_key = COCO_N_KEYS,
    .cmdline_key = COCO_KEY_SEV_KERNEL_HASHES,
};

// SPDX-License-Identifier: Apache-2.0
/*
 * tee = se: IBM Secure Execution. Nothing is measured at the launch: the image of kernel, initrd
 * and command line is encrypted for the machine, so it is the only thing that the config may name.
 */
#include <string.h>

#include "vmm/tee/domain-facts.h"
#include "vmm/tee/tee-probe.h"
#include "vmm/tee/tee.h"
#include "vmm/xml/xml-writer.h"

static const CocoTeeDefault defaults[] = {
    { COCO_KEY_VM_MACHINE, "s390-ccw-virtio" },
    { COCO_KEY_GUEST_INITRD, "" },
    { COCO_KEY_VM_MEMORY_MIB, COCO_TEE_MEMORY_MIB },
    { COCO_KEY_GUEST_ROOTFS, "guest-pull" },
    { COCO_KEY_GUEST_AGENT_TIMEOUT_S, COCO_TEE_AGENT_TIMEOUT_S },
    { COCO_KEY_HOST_QEMU, "/usr/bin/qemu-system-s390x" },
    { COCO_KEY_HOST_BOOT_FILES, "copy" },
    { 0 },
};

static bool
validate(const CocoVmConfig *config, GError **error)
{
    static const CocoKey sealed[] = { COCO_KEY_GUEST_INITRD, COCO_KEY_GUEST_CMDLINE,
                                      COCO_KEY_GUEST_FIRMWARE };

    for (size_t i = 0; i < G_N_ELEMENTS(sealed); i++) {
        if (coco_vm_config_is_set(config, sealed[i]))
            return coco_vm_config_error(config, sealed[i], error,
                                        "must be empty: with tee = se it is inside the image that "
                                        "[guest] kernel names");
    }
    return true;
}

static void
write_security(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    coco_xml_leaf(w, "launchSecurity", "type", "s390-pv", NULL);
}

/* The last one on the command line counts, with any of the words that the kernel takes for yes. */
static bool
asked_on_cmdline(const char *cmdline)
{
    g_auto(GStrv) words = g_strsplit_set(cmdline != NULL ? cmdline : "", " \t", -1);
    bool on = false;

    for (size_t i = 0; words[i] != NULL; i++) {
        const char *value = words[i] + strlen("prot_virt=");

        if (g_str_has_prefix(words[i], "prot_virt="))
            on = (value[0] != '\0' && strchr("1yYtT", value[0]) != NULL) ||
                 g_ascii_strncasecmp(value, "on", 2) == 0;
    }
    return on;
}

/* Since Linux 5.16 the kernel says itself whether it is an ultravisor's host. */
static void
probe(const CocoTeeHost *host, GPtrArray *findings)
{
    g_autofree char *said = coco_tee_host_file(host, "/sys/firmware/uv/prot_virt_host");
    g_autofree char *cmdline = coco_tee_host_file(host, "/proc/cmdline");
    bool on = said != NULL ? strcmp(said, "1") == 0 : asked_on_cmdline(cmdline);

    coco_probe_device(host, "/dev/kvm", "load kvm, and let the QEMU user open it", findings);
    coco_probe_cpu_flag(host, "158", "use an IBM z15, LinuxONE III or newer", findings);
    coco_findings_add(findings, on, "prot_virt", "boot this host with prot_virt=1",
                      "the kernel is %sa host of protected VMs", on ? "" : "not ");
}

const struct CocoTeeOps coco_tee_se = {
    .tee = COCO_TEE_SE,
    .arch = "s390x",
    .machine = "s390-ccw-virtio",
    .sec_type = "s390-pv",
    .min_libvirt = COCO_VERSION_OF(7, 6, 0),
    .min_qemu = COCO_VERSION_OF(6, 0, 0),
    .min_kernel = COCO_VERSION_OF(5, 7, 0),
    .qemu_object = "s390-pv-guest",
    .probe = probe,
    .defaults = defaults,
    .validate = validate,
    .write_security = write_security,
    .host_data_key = COCO_N_KEYS,
    .cmdline_key = COCO_N_KEYS,
};

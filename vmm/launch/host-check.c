// SPDX-License-Identifier: Apache-2.0
/*
 * The requirements of a whole config (host-check.h): the TEE's (tee-probe.c), and those of every
 * VM: programs, the QEMU user, files, and a measurement that can be computed.
 */
#include "vmm/launch/host-check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/config/json.h"
#include "vmm/domain/domain-xml.h"
#include "vmm/launch/launch-measure.h"
#include "vmm/tee/host-choice.h"
#include "vmm/tee/qemu-user.h"

bool
coco_findings_ok(const CocoFindings *findings)
{
    for (unsigned int i = 0; i < findings->len; i++) {
        const CocoFinding *finding = g_ptr_array_index(findings, i);

        if (!finding->ok)
            return false;
    }
    return true;
}

/* The user as it will be for a launch; false when there is none. */
static bool
check_user(const CocoVmConfig *config, CocoQemuUser *out_user, CocoFindings *findings)
{
    const char *name = coco_vm_config_string(config, COCO_KEY_HOST_QEMU_USER);
    const char *range = coco_vm_config_string(config, COCO_KEY_HOST_QEMU_UID_RANGE);
    g_autoptr(GError) error = NULL;
    bool found;

    if (range[0] != '\0') {
        coco_findings_add(findings, true, "QEMU user", NULL, "%s, one for each VM", range);
        return coco_qemu_user_sample(config, out_user);
    }
    found = coco_qemu_user_find(name, out_user, &error);
    coco_findings_add(findings, found, "QEMU user",
                      "install libvirt's QEMU driver, which makes libvirt-qemu, or set [host] "
                      "qemu_user",
                      "%s", found ? name : error->message);
    return found;
}

/* QEMU opens it as its user, with the group that owns it (launch-plan.c). */
static void
check_kvm(const CocoQemuUser *user, CocoFindings *findings)
{
    CocoQemuUser with_group = *user;
    g_autoptr(GError) error = NULL;
    struct stat info;
    bool fine;

    if (geteuid() != 0 || stat(coco_host_paths.kvm, &info) < 0)
        return;
    if ((info.st_mode & 0060) == 0060 && info.st_gid != 0)
        with_group.gid = info.st_gid;
    fine = coco_qemu_user_check(&with_group, "device", coco_host_paths.kvm, O_RDWR, &error);
    coco_findings_add(findings, fine, "/dev/kvm for QEMU",
                      "let group kvm open the device: a udev rule with GROUP=\"kvm\", "
                      "MODE=\"0660\"",
                      "%s", fine ? "opens" : error->message);
}

/* Only root can look as somebody else; others look as themselves. */
static bool
check_file(const CocoVmConfig *config, CocoKey key, const CocoQemuUser *user,
           CocoFindings *findings)
{
    const char *path = coco_vm_config_string(config, key);
    g_autofree char *what =
        g_strdup_printf("[%s] %s", coco_vm_config_key_group(key), coco_vm_config_key_name(key));
    /* A copy of a boot file is made by root. */
    bool as_user = geteuid() == 0 && user != NULL &&
                   coco_vm_config_choice(config, COCO_KEY_HOST_BOOT_FILES) != COCO_BOOT_FILES_COPY;
    g_autoptr(GError) error = NULL;
    bool fine;

    if (path[0] == '\0')
        return true;
    fine = as_user
               ? coco_qemu_user_check(user, coco_vm_config_key_name(key), path, O_RDONLY, &error)
               : access(path, R_OK) == 0;
    coco_findings_add(findings, fine, what,
                      key == COCO_KEY_GUEST_FIRMWARE
                          ? "install Debian's ovmf-amdsev (SEV, SEV-ES, SNP) or ovmf (TDX), or set "
                            "[guest] firmware"
                          : "make the guest image (guest/image/build), or set the key",
                      "%s%s%s", error != NULL ? "" : path, error != NULL || fine ? "" : ": ",
                      error != NULL ? error->message : (fine ? "" : g_strerror(errno)));
    return fine;
}

static void
check_virtiofsd(const CocoVmConfig *config, CocoFindings *findings)
{
    static const char *const places[] = { "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd",
                                          "/usr/lib/virtiofsd" };
    const char *given = coco_vm_config_string(config, COCO_KEY_HOST_VIRTIOFSD);
    const char *found = NULL;

    if (coco_vm_config_choice(config, COCO_KEY_GUEST_ROOTFS) != COCO_ROOTFS_VIRTIOFS)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(places) && given[0] == '\0'; i++) {
        if (found == NULL && access(places[i], X_OK) == 0)
            found = places[i];
    }
    if (given[0] != '\0' && access(given, X_OK) == 0)
        found = given;
    coco_findings_add(findings, found != NULL, "virtiofsd",
                      "install virtiofsd (Debian 12: qemu-system-common), or set [host] virtiofsd",
                      "%s", found != NULL ? found : "not found");
}

static bool
host_uses_kvm(const CocoVmConfig *config)
{
    g_auto(CocoHostChoice) choice = { 0 };

    return coco_host_choose(config, &coco_host_paths, &choice, NULL) &&
           choice.accel == COCO_ACCEL_KVM;
}

/* What auto becomes; only an insisting config can fail here. */
static void
check_choice(const CocoVmConfig *config, CocoFindings *findings)
{
    g_auto(CocoHostChoice) choice = { 0 };
    g_autoptr(GError) error = NULL;

    if (!coco_host_choose(config, &coco_host_paths, &choice, &error)) {
        coco_findings_add(findings, false, "accel, transport",
                          "load kvm_intel or kvm_amd, and vhost_vsock; or say auto", "%s",
                          error->message);
        return;
    }
    coco_findings_add(findings, true, "accel", NULL, "%s: %s",
                      coco_vm_config_choice_name(COCO_KEY_VM_ACCEL, (int) choice.accel),
                      choice.accel_reason);
    coco_findings_add(findings, true, "transport", NULL, "%s: %s",
                      coco_vm_config_choice_name(COCO_KEY_VM_TRANSPORT, (int) choice.transport),
                      choice.transport_reason);
}

/* A TD runs without it, and has no quotes. It is QEMU that connects. */
static void
check_quotes(const CocoVmConfig *config, const CocoQemuUser *user, CocoFindings *findings)
{
    const char *path = coco_vm_config_string(config, COCO_KEY_TDX_QUOTE_GENERATION_SERVICE);
    g_autoptr(GError) error = NULL;
    bool fine;

    if (coco_tee_of(config)->tee != COCO_TEE_TDX || path[0] == '\0')
        return;
    fine = coco_qemu_user_check_socket(user, "quote service", path, &error);
    coco_findings_add(findings, fine, "[tdx] quote_generation_service",
                      "install and start Intel's quote generation service (tdx-qgs) with a socket "
                      "that QEMU's user may connect to, or leave the key empty and get quotes "
                      "otherwise",
                      "%s", fine ? path : error->message);
}

/* Such as a firmware that has no place for the hashes of the kernel. */
static void
check_measurement(const CocoVmConfig *config, CocoFindings *findings)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);
    const CocoInitdataBinding nothing = { 0 };
    g_auto(CocoVmSpec) spec = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoBootFiles) boot = NULL;
    g_autoptr(json_object) values = NULL;

    if (ops->tee == COCO_TEE_NONE || ops->tee == COCO_TEE_CCA)
        return;
    coco_domain_spec_init(&spec, config, COCO_ACCEL_KVM, COCO_TRANSPORT_VSOCK);
    boot = coco_boot_files_new(config, &error);
    if (boot != NULL && coco_boot_files_open_shared(boot, &error))
        values = coco_launch_measure_values(&spec, boot, &nothing, &error);
    coco_findings_add(findings, values != NULL, "measurement",
                      "mend the file that it names; for SEV, SEV-ES and SNP the firmware must have "
                      "a place for kernel hashes, as Debian's ovmf-amdsev has",
                      "%s", values != NULL ? "can be computed" : error->message);
}

void
coco_host_check(const CocoVmConfig *config, CocoFindings *findings)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);
    g_auto(CocoTeeHost) host = { 0 };
    g_auto(CocoQemuUser) user = { 0 };
    bool has_files;
    bool has_user;

    coco_tee_host_read(coco_vm_config_string(config, COCO_KEY_HOST_QEMU), &host);
    coco_tee_probe(ops, &host, findings);
    coco_probe_config(config, &host, findings);
    check_choice(config, findings);
    has_user = check_user(config, &user, findings);
    if (has_user && host_uses_kvm(config))
        check_kvm(&user, findings);
    has_files = check_file(config, COCO_KEY_GUEST_KERNEL, has_user ? &user : NULL, findings);
    has_files &= check_file(config, COCO_KEY_GUEST_INITRD, has_user ? &user : NULL, findings);
    has_files &= check_file(config, COCO_KEY_GUEST_FIRMWARE, has_user ? &user : NULL, findings);
    check_virtiofsd(config, findings);
    if (has_user)
        check_quotes(config, &user, findings);
    if (has_files)
        check_measurement(config, findings);
}

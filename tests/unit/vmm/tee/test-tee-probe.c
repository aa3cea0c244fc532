// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/tee-probe.c and tee-host.c against hosts made of files: what is there, what is missing,
 * and what is told about it.
 */
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee-probe.h"

static CocoTeeHost
make_host(const char *root, const char *arch, const char *flags)
{
    return (CocoTeeHost){ .root = g_strdup(root),
                          .arch = g_strdup(arch),
                          .kernel = COCO_VERSION_OF(6, 16, 0),
                          .libvirt = COCO_VERSION_OF(12, 8, 0),
                          .qemu = COCO_VERSION_OF(11, 1, 3),
                          .qemu_objects = g_strdup("  sev-guest\n  sev-snp-guest\n  tdx-guest\n"
                                                   "  s390-pv-guest\n"),
                          .cpu_flags = g_strdup(flags) };
}

static void
put(const char *root, const char *path, const char *text)
{
    g_free(scratch_dir_write(root, path + 1, text, strlen(text)));
}

static void
put_amd(const char *root)
{
    put(root, "/dev/kvm", "");
    put(root, "/dev/sev", "");
    put(root, "/sys/module/kvm_amd/parameters/sev", "Y\n");
    put(root, "/sys/module/kvm_amd/parameters/sev_es", "1\n");
    put(root, "/sys/module/kvm_amd/parameters/sev_snp", "Y\n");
    put(root, "/sys/fs/cgroup/misc.capacity", "sev 5\nsev_es 99\n");
    put(root, "/sys/fs/cgroup/misc.current", "sev 5\nsev_es 98\n");
}

/* The error of a launch there, or NULL. */
static char *
probe(const struct CocoTeeOps *ops, const CocoTeeHost *host)
{
    g_autoptr(GPtrArray) findings = coco_findings_new();
    g_autoptr(GError) error = NULL;

    coco_tee_probe(ops, host, findings);
    for (unsigned int i = 0; i < findings->len; i++) {
        const CocoFinding *finding = g_ptr_array_index(findings, i);

        cr_assert_eq(finding->ok, finding->fix == NULL);
        cr_assert_str_not_empty(finding->found);
    }
    if (coco_findings_check(ops, findings, &error))
        return NULL;
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_NO_TEE));
    return g_strdup(error->message);
}

Test(tee_probe, an_amd_host_with_everything)
{
    g_autoptr(ScratchDir) root = scratch_dir_new();
    g_auto(CocoTeeHost) host = make_host(root, "x86_64", " sev sev_es sev_snp ");
    g_autofree char *sev = NULL;

    put_amd(root);
    cr_assert_null(probe(&coco_tee_snp, &host));
    cr_assert_null(probe(&coco_tee_sev_es, &host));
    /* All of plain SEV's ASIDs are in use. */
    sev = probe(&coco_tee_sev, &host);
    cr_assert_str_eq(sev, "tee = sev cannot run on this host: sev ASIDs: 0 of 5 are free");
}

Test(tee_probe, each_missing_thing_is_named)
{
    g_autoptr(ScratchDir) root = scratch_dir_new();
    g_auto(CocoTeeHost) host = make_host(root, "x86_64", " sev sev_es ");
    g_autofree char *message = NULL;

    put_amd(root);
    put(root, "/sys/module/kvm_amd/parameters/sev_snp", "N\n");
    put(root, "/usr/share/libvirt/schemas/domaincommon.rng", "<value>sev</value>");
    g_free(host.qemu_objects);
    host.qemu_objects = g_strdup("  sev-guest\n");
    host.libvirt = COCO_VERSION_OF(9, 0, 0);
    host.qemu = COCO_VERSION_OF(7, 2, 22);
    host.kernel = COCO_VERSION_OF(6, 1, 0);
    message = probe(&coco_tee_snp, &host);
    cr_assert_str_eq(message, "tee = snp cannot run on this host: "
                              "libvirt: 10.5.0 or newer is needed, 9.0.0 is here; "
                              "QEMU: 9.1.0 or newer is needed, 7.2.22 is here; "
                              "CPU: sev_snp is missing; "
                              "kvm_amd.sev_snp: 'Y' is needed, it is 'N'");
}

/* The versions are advice where what they stand for is seen. */
Test(tee_probe, back_ports_are_taken)
{
    g_autoptr(ScratchDir) root = scratch_dir_new();
    g_auto(CocoTeeHost) host = make_host(root, "x86_64", " sev sev_es sev_snp ");
    g_autofree char *sev = NULL;
    g_autofree char *kernel = g_strconcat(root, "/sys/module/kvm_amd/parameters/sev_snp", NULL);
    g_autofree char *without = NULL;

    put_amd(root);
    put(root, "/usr/share/libvirt/schemas/domaincommon.rng", "<value>sev-snp</value>");
    host.libvirt = COCO_VERSION_OF(10, 0, 0);
    host.qemu = COCO_VERSION_OF(7, 0, 0);
    host.kernel = COCO_VERSION_OF(5, 14, 0);
    cr_assert_null(probe(&coco_tee_snp, &host));
    /* sev-guest is older than the -bios that it needs here. */
    put(root, "/sys/fs/cgroup/misc.current", "sev 0\nsev_es 0\n");
    sev = probe(&coco_tee_sev, &host);
    cr_assert_str_eq(sev,
                     "tee = sev cannot run on this host: QEMU: 7.1.0 or newer is needed, 7.0.0 "
                     "is here");
    cr_assert_eq(unlink(kernel), 0);
    without = probe(&coco_tee_snp, &host);
    cr_assert_not_null(strstr(without, "Linux: 6.11.0 or newer is needed, 5.14.0 is here"), "%s",
                       without);
}

Test(tee_probe, a_qemu_without_the_object_is_found)
{
    g_autoptr(ScratchDir) root = scratch_dir_new();
    g_auto(CocoTeeHost) host = make_host(root, "x86_64", " tdx_host_platform ");
    g_autofree char *message = NULL;

    put(root, "/dev/kvm", "");
    put(root, "/sys/module/kvm_intel/parameters/tdx", "Y\n");
    cr_assert_null(probe(&coco_tee_tdx, &host));
    g_free(host.qemu_objects);
    host.qemu_objects = g_strdup("  sev-guest\n");
    message = probe(&coco_tee_tdx, &host);
    cr_assert_str_eq(message, "tee = tdx cannot run on this host: QEMU object: tdx-guest is not in "
                              "this build of QEMU");
}

Test(tee_probe, secure_execution)
{
    g_autoptr(ScratchDir) root = scratch_dir_new();
    g_auto(CocoTeeHost) host = make_host(root, "s390x", " 157 158 ");
    g_autofree char *message = NULL;

    put(root, "/dev/kvm", "");
    put(root, "/proc/cmdline", "root=/dev/dasda1 prot_virt=1\n");
    cr_assert_null(probe(&coco_tee_se, &host));
    put(root, "/proc/cmdline", "prot_virt=0 prot_virt=on root=/dev/dasda1\n");
    cr_assert_null(probe(&coco_tee_se, &host));
    put(root, "/proc/cmdline", "root=/dev/dasda1 prot_virt=1 prot_virt=0\n");
    message = probe(&coco_tee_se, &host);
    cr_assert_str_eq(message,
                     "tee = se cannot run on this host: prot_virt: the kernel is not a host "
                     "of protected VMs");
    put(root, "/sys/firmware/uv/prot_virt_host", "1\n");
    cr_assert_null(probe(&coco_tee_se, &host));
}

Test(tee_probe, no_release_can_launch_a_realm)
{
    g_auto(CocoTeeHost) host = make_host("/proc/nonexistent", "aarch64", "");
    g_autofree char *message = probe(&coco_tee_cca, &host);

    cr_assert_str_eq(message, "tee = cca cannot run on this host: "
                              "libvirt: no release supports tee = cca, 12.8.0 is here; "
                              "QEMU: no release supports tee = cca, 11.1.3 is here");
}

Test(tee_probe, the_architecture_comes_before_its_details)
{
    g_auto(CocoTeeHost) host = make_host("/proc/nonexistent", "aarch64", "");
    g_autofree char *message = probe(&coco_tee_snp, &host);

    cr_assert_str_eq(message, "tee = snp cannot run on this host: architecture: x86_64 is needed, "
                              "this is aarch64");
}

/* The found text of the only finding, or NULL. */
static char *
probe_model(const char *model, const CocoTeeHost *host, bool *out_ok)
{
    g_autofree char *text = g_strdup_printf("[vm]\ntee=none\ncpu=%s\n", model);
    g_autoptr(CocoVmConfig) config = coco_tee_config_parse("c", text, strlen(text), NULL, NULL);
    g_autoptr(GPtrArray) findings = coco_findings_new();
    const CocoFinding *finding;

    coco_probe_config(config, host, findings);
    if (findings->len == 0)
        return NULL;
    finding = g_ptr_array_index(findings, 0);
    *out_ok = finding->ok;
    return g_strdup(finding->found);
}

Test(tee_probe, a_model_that_libvirt_does_not_know_is_found)
{
    g_autoptr(ScratchDir) root = scratch_dir_new();
    g_auto(CocoTeeHost) host = make_host(root, "x86_64", "");
    g_autofree char *known = NULL;
    g_autofree char *unknown = NULL;
    bool ok = false;

    cr_assert_null(probe_model("EPYC-v4", &host, &ok)); /* no list: nothing is known */
    put(root, "/usr/share/libvirt/cpu_map/x86_EPYC-Milan.xml", "");
    cr_assert_null(probe_model("", &host, &ok));
    known = probe_model("EPYC-Milan", &host, &ok);
    cr_assert(ok);
    cr_assert_str_eq(known, "libvirt knows 'EPYC-Milan'");
    unknown = probe_model("EPYC-v4", &host, &ok);
    cr_assert_not(ok);
    cr_assert_str_eq(unknown, "libvirt does not know 'EPYC-v4'");
}

Test(tee_probe, sgx_needs_its_device)
{
    static const char text[] = "[vm]\ntee=none\n[sgx]\nepc_mib=64\n";
    g_autoptr(ScratchDir) root = scratch_dir_new();
    g_auto(CocoTeeHost) host = make_host(root, "x86_64", "");
    g_autoptr(CocoVmConfig) config = coco_tee_config_parse("c", text, sizeof text - 1, NULL, NULL);
    g_autoptr(GPtrArray) missing = coco_findings_new();
    g_autoptr(GPtrArray) there = coco_findings_new();
    const CocoFinding *finding;

    coco_probe_config(config, &host, missing);
    put(root, "/dev/sgx_vepc", "");
    coco_probe_config(config, &host, there);
    finding = g_ptr_array_index(missing, 0);
    cr_assert(!finding->ok && strcmp(finding->what, "/dev/sgx_vepc") == 0);
    finding = g_ptr_array_index(there, 0);
    cr_assert(finding->ok);
}

Test(tee_probe, versions_are_read)
{
    static const struct {
        const char *text;
        unsigned int version;
    } rows[] = {
        { "9.0.0", COCO_VERSION_OF(9, 0, 0) },
        { "6.12.8-cloud-amd64", COCO_VERSION_OF(6, 12, 8) },
        { "version 11.1.3 (Debian 1:11.1.3+ds-1)", COCO_VERSION_OF(11, 1, 3) },
        { "10.2\n", COCO_VERSION_OF(10, 2, 0) },
        { "6.99999.1", COCO_VERSION_OF(6, 999, 1) },
        { "no digits", 0 },
        { "", 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        cr_assert_eq(coco_version_parse(rows[i].text), rows[i].version, "%s", rows[i].text);
}

Test(tee_probe, this_host_can_be_read)
{
    g_auto(CocoTeeHost) host = { 0 };

    coco_tee_host_read("/proc/nonexistent/qemu", &host);
    cr_assert_not_null(host.arch);
    cr_assert_gt(host.kernel, COCO_VERSION_OF(3, 0, 0));
    cr_assert_eq(host.qemu, 0);
    cr_assert_not_null(strstr(host.qemu_problem, "/proc/nonexistent/qemu"));
}

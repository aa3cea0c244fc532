// SPDX-License-Identifier: Apache-2.0
/*
 * What a TEE makes of a config (tee.c, tee-*.c, tee-policy.c, sgx-epc.c): its defaults, its policy,
 * and the mistakes that are told before anything starts.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/sgx-epc.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee-policy.h"
#include "vmm/tee/tee.h"

static CocoVmConfig *
parse(const char *text, GError **error)
{
    return coco_tee_config_parse("t.conf", text, strlen(text), NULL, error);
}

Test(config_tee, each_tee_has_its_defaults)
{
    static const struct {
        const char *text;
        const char *machine;
        const char *cpu;
        const char *firmware;
        const char *emulator;
        int rootfs;
        int boot_files;
    } rows[] = {
        { "none", "q35", "", "", "x86_64", COCO_ROOTFS_VIRTIOFS, COCO_BOOT_FILES_SHARED },
        { "sev", "q35", "EPYC-IBPB", COCO_FIRMWARE_AMDSEV, "x86_64", COCO_ROOTFS_GUEST_PULL,
          COCO_BOOT_FILES_COPY },
        { "sev-es", "q35", "EPYC-IBPB", COCO_FIRMWARE_AMDSEV, "x86_64", COCO_ROOTFS_GUEST_PULL,
          COCO_BOOT_FILES_COPY },
        { "snp", "q35", "EPYC-v4", COCO_FIRMWARE_AMDSEV, "x86_64", COCO_ROOTFS_GUEST_PULL,
          COCO_BOOT_FILES_COPY },
        { "tdx", "q35", "", COCO_FIRMWARE_GENERIC, "x86_64", COCO_ROOTFS_GUEST_PULL,
          COCO_BOOT_FILES_COPY },
        { "se", "s390-ccw-virtio", "", "", "s390x", COCO_ROOTFS_GUEST_PULL, COCO_BOOT_FILES_COPY },
        { "cca", "virt", "", "", "aarch64", COCO_ROOTFS_GUEST_PULL, COCO_BOOT_FILES_COPY },
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(rows) == COCO_N_TEES);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf("[vm]\ntee=%s\n", rows[i].text);
        g_autoptr(GError) error = NULL;
        g_autoptr(CocoVmConfig) config = parse(text, &error);

        cr_assert_null(error);
        cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_VM_MACHINE), rows[i].machine);
        cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_VM_CPU), rows[i].cpu);
        cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_GUEST_FIRMWARE), rows[i].firmware);
        cr_assert(
            g_str_has_suffix(coco_vm_config_string(config, COCO_KEY_HOST_QEMU), rows[i].emulator));
        cr_assert_eq(coco_vm_config_choice(config, COCO_KEY_GUEST_ROOTFS), rows[i].rootfs);
        cr_assert_eq(coco_vm_config_number(config, COCO_KEY_VM_MEMORY_MIB), i == 0 ? 256 : 2048);
        cr_assert_eq(coco_vm_config_number(config, COCO_KEY_GUEST_AGENT_TIMEOUT_S),
                     i == 0 ? 30 : 90);
        cr_assert_eq(coco_vm_config_choice(config, COCO_KEY_HOST_BOOT_FILES), rows[i].boot_files);
    }
}

Test(config_tee, what_the_config_says_wins_over_a_default)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config =
        parse("[vm]\ntee=snp\ncpu=EPYC-Milan\n[guest]\nfirmware=/f\nrootfs=block\n"
              "[debug]\ninsecure_host_share=true\n",
              &error);

    cr_assert_null(error);
    cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_VM_CPU), "EPYC-Milan");
    cr_assert_str_eq(coco_vm_config_string(config, COCO_KEY_GUEST_FIRMWARE), "/f");
    cr_assert_eq(coco_vm_config_choice(config, COCO_KEY_GUEST_ROOTFS), COCO_ROOTFS_BLOCK);
}

Test(config_tee, one_that_is_required_is_the_one_that_runs)
{
    static const char *const same[] = { "none", "none", NULL };
    static const char *const other[] = { "none", "snp", NULL };
    static const char *const overrides[] = { "vm.tee=none", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config =
        coco_tee_config_parse("t.conf", "[vm]\ntee=snp\n", 13, overrides, &error);

    cr_assert_null(error);
    cr_assert(coco_tee_config_require(config, NULL, &error));
    cr_assert(coco_tee_config_require(config, same, &error));
    cr_assert(!coco_tee_config_require(config, other, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert_str_eq(error->message, "override 'vm.tee=none': [vm] tee: it is 'none', and 'snp' is "
                                     "required: no other VM is started");
}

Test(config_tee, policies)
{
    static const struct {
        const char *text;
        guint64 policy;
    } rows[] = {
        { "[vm]\ntee=none\n", 0 },
        { "[vm]\ntee=se\n", 0 },
        { "[vm]\ntee=cca\n", 0 },
        { "[vm]\ntee=sev\n", 0x0b },
        { "[vm]\ntee=sev-es\n", 0x0f },
        { "[vm]\ntee=sev-es\n[sev]\npolicy=0x5\n", 0x05 },
        { "[vm]\ntee=sev\n[sev]\ndebug=yes\n[debug]\ninsecure_policy=true\n", 0x0a },
        { "[vm]\ntee=sev\n[sev]\nkey_sharing=yes\n", 0x09 },
        { "[vm]\ntee=sev\n[sev]\nsend=yes\ndomain=yes\nsev=yes\n", 0x33 },
        { "[vm]\ntee=sev\n[sev]\napi_major=1\napi_minor=51\n", 0x3301000b },
        { "[vm]\ntee=snp\n", 0x30000 },
        { "[vm]\ntee=snp\n[snp]\nsmt=no\n", 0x20000 },
        { "[vm]\ntee=snp\n[snp]\nmigration_agent=yes\n", 0x70000 },
        { "[vm]\ntee=snp\n[snp]\ndebug=yes\n[debug]\ninsecure_policy=true\n", 0xb0000 },
        { "[vm]\ntee=snp\n[snp]\nsingle_socket=yes\n", 0x130000 },
        { "[vm]\ntee=snp\n[snp]\ncxl=yes\n", 0x230000 },
        { "[vm]\ntee=snp\n[snp]\naes_256_xts=yes\n", 0x430000 },
        { "[vm]\ntee=snp\n[snp]\nrapl_off=yes\n", 0x830000 },
        { "[vm]\ntee=snp\n[snp]\nciphertext_hiding=yes\n", 0x1030000 },
        { "[vm]\ntee=snp\n[snp]\npage_swap_off=yes\n", 0x2030000 },
        { "[vm]\ntee=snp\n[snp]\nabi_major=1\nabi_minor=55\n", 0x30137 },
        { "[vm]\ntee=snp\n[snp]\npolicy=0xb0000\ndebug=yes\n[debug]\ninsecure_policy=true\n",
          0xb0000 },
        { "[vm]\ntee=tdx\n", 0x10000000 },
        { "[vm]\ntee=tdx\n[tdx]\ndebug=yes\nsept_ve_disable=no\n[debug]\ninsecure_policy=true\n",
          1 },
        { "[vm]\ntee=tdx\n[tdx]\npolicy=0x10000001\n[debug]\ninsecure_policy=true\n", 0x10000001 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CocoVmConfig) config = parse(rows[i].text, &error);

        cr_assert_null(error, "%s", error != NULL ? error->message : "");
        cr_assert_eq(coco_tee_policy(config), rows[i].policy, "row %zu", i);
    }
}

static const struct {
    const char *text;
    const char *message; /* after "config 't.conf'" */
} mistakes[] = {
    { "[vm]\ntee=snp\n[snp]\npolicy=0x30000\ndebug=yes\n",
      " line 5: [snp] debug: 'yes' disagrees with policy = 0x30000 (bit 19)" },
    { "[vm]\ntee=snp\n[snp]\npolicy=0x30000\nabi_major=1\n",
      " line 5: [snp] abi_major: '1' disagrees with policy = 0x30000 (bit 8)" },
    { "[vm]\ntee=snp\n[snp]\npolicy=0x10000\n",
      " line 4: [snp] policy: '0x10000' lacks a bit that must be 1: 0x20000" },
    { "[vm]\ntee=snp\n[snp]\npolicy=0x4030000\n",
      " line 4: [snp] policy: '0x4030000' sets bits that must be 0: 0x4000000" },
    { "[vm]\ntee=snp\n[snp]\npolicy=30000\n",
      " line 4: [snp] policy: '30000' is not a mask of at most 64 bits, such as 0x30000" },
    { "[vm]\ntee=snp\n[snp]\npolicy=0x10000000000000000\n",
      " line 4: [snp] policy: '0x10000000000000000' is not a mask of at most 64 bits, such as "
      "0x30000" },
    { "[vm]\ntee=snp\n[snp]\npolicy=0x-1\n",
      " line 4: [snp] policy: '0x-1' is not a mask of at most 64 bits, such as 0x30000" },
    { "[vm]\ntee=snp\n[snp]\nsmt=true\n", " line 4: [snp] smt: 'true' is neither yes nor no" },
    { "[vm]\ntee=snp\n[snp]\nhost_data=abc\n",
      " line 4: [snp] host_data: 'abc' is neither hex nor base64" },
    { "[vm]\ntee=snp\n[snp]\nhost_data=abcd\n",
      " line 4: [snp] host_data: 32 bytes are needed, and these are 2" },
    { "[vm]\ntee=snp\n[snp]\nhost_data=QUJD!\n",
      " line 4: [snp] host_data: 'QUJD!' is neither hex nor base64" },
    { "[vm]\ntee=snp\n[snp]\nguest_visible_workarounds=AAAA\n",
      " line 4: [snp] guest_visible_workarounds: 16 bytes are needed, and these are 2" },
    { "[vm]\ntee=snp\n[snp]\nid_block=/a\n", " line 4: [snp] id_block: it needs id_auth too" },
    { "[vm]\ntee=snp\n[snp]\nid_auth=/a\n", " line 4: [snp] id_auth: it needs id_block too" },
    { "[vm]\ntee=snp\n[snp]\nauthor_key=yes\n",
      " line 4: [snp] author_key: yes needs id_auth, where the author key is" },
    { "[vm]\ntee=snp\n[tdx]\ndebug=no\n", " line 4: [tdx] debug: it has no effect with tee = snp" },
    { "[vm]\ntee=none\n[snp]\nkernel_hashes=yes\n",
      " line 4: [snp] kernel_hashes: it has no effect with tee = none" },
    { "[vm]\ntee=none\n[sev]\nkernel_hashes=yes\n",
      " line 4: [sev] kernel_hashes: it has no effect with tee = none" },
    { "[vm]\ntee=snp\naccel=tcg\n",
      " line 3: [vm] accel: tcg emulates a CPU, and no emulated CPU has tee = snp" },
    { "[vm]\ntee=snp\nmachine=virt\n",
      " line 3: [vm] machine: 'virt' is not a machine for tee = snp, which runs on 'q35'" },
    { "[vm]\ntee=se\nmachine=q35\n", " line 3: [vm] machine: 'q35' is not a machine for tee = se, "
                                     "which runs on 's390-ccw-virtio'" },
    { "[vm]\ntee=tdx\n[guest]\nrootfs=virtiofs\n",
      " line 4: [guest] rootfs: virtiofs lets the host put any file into a guest with tee = tdx, "
      "unseen by attestation; for a test set [debug] insecure_host_share = true" },
    { "[vm]\ntee=snp\n[guest]\nrootfs=block\n",
      " line 4: [guest] rootfs: block lets the host put any file into a guest with tee = snp, "
      "unseen by attestation; for a test set [debug] insecure_host_share = true" },
    { "[vm]\ntee=snp\ncpu=Skylake-Server\n", " line 3: [vm] cpu: 'Skylake-Server' is not a model "
                                             "of AMD EPYC that QEMU has, such as EPYC-v4 "
                                             "or EPYC-Milan" },
    { "[vm]\ntee=sev-es\ncpu=0xa00f11\n",
      " line 3: [vm] cpu: '0xa00f11' is not a model of AMD EPYC that QEMU has, such as EPYC-v4 or "
      "EPYC-Milan" },
    { "[vm]\ntee=tdx\ncpu=EPYC-v4\n",
      " line 3: [vm] cpu: must be empty: a TDX guest has the CPU of its host" },
    { "[vm]\ntee=tdx\n[tdx]\npolicy=0x2\n",
      " line 4: [tdx] policy: '0x2' sets bits that must be 0: 0x2" },
    { "[vm]\ntee=tdx\n[tdx]\nmrowner=00\n",
      " line 4: [tdx] mrowner: 48 bytes are needed, and these are 1" },
    { "[vm]\ntee=sev\n[sev]\nes=yes\n", " line 4: [sev] es: tee = sev needs es = no" },
    { "[vm]\ntee=sev-es\n[sev]\nes=no\n", " line 4: [sev] es: tee = sev-es needs es = yes" },
    { "[vm]\ntee=sev\n[sev]\npolicy=0x5\n",
      " line 4: [sev] policy: with tee = sev bit 2 (SEV-ES) must be 0" },
    { "[vm]\ntee=sev-es\n[sev]\npolicy=0x1\n",
      " line 4: [sev] policy: with tee = sev-es bit 2 (SEV-ES) must be 1" },
    { "[vm]\ntee=sev\n[sev]\npolicy=0x40\n",
      " line 4: [sev] policy: '0x40' sets bits that must be 0: 0x40" },
    { "[vm]\ntee=snp\n[snp]\ndebug=yes\n", " line 4: [snp] debug: 'yes' lets the host read and "
                                           "change the guest's memory (bit 19); for a "
                                           "test set [debug] insecure_policy = true" },
    { "[vm]\ntee=sev\n[sev]\npolicy=0x2\n", " line 4: [sev] policy: '0x2' lets the host read and "
                                            "change the guest's memory (bit 0); for a "
                                            "test set [debug] insecure_policy = true" },
    { "[vm]\ntee=tdx\n[tdx]\npolicy=0x10000001\n",
      " line 4: [tdx] policy: '0x10000001' lets the host read and change the guest's memory (bit "
      "0); for a test set [debug] insecure_policy = true" },
    { "[vm]\ntee=snp\n[snp]\nkernel_hashes=no\n", " line 4: [snp] kernel_hashes: no lets the host "
                                                  "boot any kernel, unseen by attestation; for a "
                                                  "test set [debug] insecure_kernel = true" },
    { "[vm]\ntee=sev-es\n[sev]\nkernel_hashes=no\n",
      " line 4: [sev] kernel_hashes: no lets the host boot any kernel, unseen by attestation; for "
      "a "
      "test set [debug] insecure_kernel = true" },
    { "[vm]\ntee=sev\n[sev]\ndh_cert=/a\n", " line 4: [sev] dh_cert: it needs session too" },
    { "[vm]\ntee=sev\n[sev]\nattest=ask\n",
      " line 4: [sev] attest: 'ask' is neither an absolute path nor a URL" },
    { "[vm]\ntee=sev\n[sev]\nattest=/ask\n", " line 4: [sev] attest: it needs dh_cert and session: "
                                             "without them nobody has the key to check "
                                             "the measurement with" },
    { "[vm]\ntee=sev\n[sev]\nattest=/ask\ndh_cert=/a\nsession=/b\nattest_timeout_s=60\n",
      " line 7: [sev] attest_timeout_s: it must be less than [host] launch_timeout_s = 60" },
    { "[vm]\ntee=se\n[guest]\ncmdline=quiet\n",
      " line 4: [guest] cmdline: must be empty: with tee = se it is inside the image that [guest] "
      "kernel names" },
    { "[vm]\ntee=cca\n[sgx]\nepc_mib=64\n",
      " line 4: [sgx] epc_mib: there is no SGX on aarch64 (tee = cca)" },
    { "[vm]\ntee=none\n[sgx]\nepc_mib=64:\n", " line 4: [sgx] epc_mib: '64:' is not SIZE[:NODE] "
                                              "with a size from 1 to 524288 MiB and a node "
                                              "up to 63" },
    { "[vm]\ntee=none\n[sgx]\nepc_mib=1,1,1,1,1,1,1,1,1\n",
      " line 4: [sgx] epc_mib: '1,1,1,1,1,1,1,1,1' has more than 8 sections" },
    { "[vm]\ntee=none\n[memory]\nbacking=anonymous\n",
      " line 4: [memory] backing: anonymous memory cannot be shared with virtiofsd ([guest] rootfs "
      "= "
      "virtiofs)" },
};

Test(config_tee, each_mistake_names_key_and_file)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        g_autofree char *message = g_strconcat("config 't.conf'", mistakes[i].message, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(CocoVmConfig) config = parse(mistakes[i].text, &error);

        cr_assert_null(config, "mistake %zu was accepted", i);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, message);
    }
}

Test(config_tee, an_override_is_named)
{
    static const char *const overrides[] = { "snp.debug=yes", NULL };
    static const char text[] = "[vm]\ntee=snp\n[snp]\npolicy=0x30000\n";
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_tee_config_parse("t.conf", text, sizeof text - 1, overrides, &error));
    cr_assert_str_eq(error->message, "override 'snp.debug=yes': [snp] debug: 'yes' disagrees with "
                                     "policy = 0x30000 (bit 19)");
}

Test(config_tee, bytes_are_read_from_hex_and_base64)
{
    static const char *const texts[] = {
        "[vm]\ntee=snp\n[snp]\nhost_data="
        "000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
        "[vm]\ntee=snp\n[snp]\nhost_data=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CocoVmConfig) config = parse(texts[i], &error);
        const guint8 *data;
        gsize size = 0;

        cr_assert_null(error, "%s", error != NULL ? error->message : "");
        data = g_bytes_get_data(coco_vm_config_bytes(config, COCO_KEY_SNP_HOST_DATA), &size);
        cr_assert_eq(size, 32);
        for (guint8 b = 0; b < 32; b++)
            cr_assert_eq(data[b], b);
    }
}

Test(config_tee, virtiofs_with_a_tee_needs_the_word_insecure)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config = parse(
        "[vm]\ntee=snp\n[guest]\nrootfs=virtiofs\n[debug]\ninsecure_host_share=true\n", &error);

    cr_assert_null(error);
    cr_assert_not_null(config);
}

Test(config_tee, epc_sections)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config = parse("[vm]\ntee=tdx\n[sgx]\nepc_mib=64,128:1\n", &error);
    CocoSgxEpcs epcs;

    cr_assert_null(error);
    cr_assert(coco_sgx_epc_parse(config, &epcs, NULL));
    cr_assert_eq(epcs.n, 2);
    cr_assert_eq(epcs.total_mib, 192);
    cr_assert_eq(epcs.sections[1].node, 1);
}

Test(config_tee, no_daemon_starts_a_pods_vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) fine = parse("[vm]\ntee=none\n[host]\nuri=test:///default\n", &error);

    cr_assert_not_null(fine);
    cr_assert_null(parse("[vm]\ntee=none\n[host]\nuri=qemu:///system\n", &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert_not_null(strstr(error->message, "[host] uri: 'qemu:///system' is not possible"), "%s",
                       error->message);
}

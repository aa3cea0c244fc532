// SPDX-License-Identifier: Apache-2.0
/*
 * The table of all keys: group, name, default, kind and range. The documents are held against it
 * by tests (config(5), hypervisor-configs/).
 *
 * A default that depends on the TEE is in that TEE's file (tee-snp.c); here stands what holds
 * without one.
 */
#include <string.h>

#include "vmm/config/config-private.h"

static const char *const tees[] = { "none", "sev", "sev-es", "snp", "tdx", "se", "cca", NULL };
static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
static const char *const transports[] = { "auto", "vsock", "channel", NULL };
static const char *const rootfs[] = { "auto", "virtiofs", "block", "guest-pull", NULL };
static const char *const boot_files[] = { "auto", "shared", "copy", NULL };
static const char *const backings[] = { "auto", "anonymous", "memfd", NULL };
static const char *const hugepages[] = { "none", "2M", "1G", NULL };
static const char *const models[] = { "tap", "user", "none", NULL };
static const char *const algorithms[] = { "sha256", "sha512", NULL };

G_STATIC_ASSERT(G_N_ELEMENTS(tees) == COCO_N_TEES + 1);

/* clang-format off */
#define FLAG(key, group, name, preset) [key] = { group, name, preset, COCO_KIND_FLAG }
#define PATH(key, group, name) [key] = { group, name, "", COCO_KIND_OPTIONAL_PATH }
#define BYTES(key, group, name, size) [key] = { group, name, "", COCO_KIND_BYTES, size, size }
#define MASK(key, group, name) [key] = { group, name, "", COCO_KIND_MASK }
#define NUMBER(key, group, name, preset, min, max) [key] = { group, name, preset, COCO_KIND_NUMBER, min, max }
#define CHOICE(key, group, name, preset, words) [key] = { group, name, preset, COCO_KIND_CHOICE, .choices = words }

static const CocoKeyInfo keys[] = {
    CHOICE(COCO_KEY_VM_TEE, "vm", "tee", NULL, tees),
    CHOICE(COCO_KEY_VM_ACCEL, "vm", "accel", "auto", accels),
    CHOICE(COCO_KEY_VM_TRANSPORT, "vm", "transport", "auto", transports),
    [COCO_KEY_VM_MACHINE] = { "vm", "machine", "q35", COCO_KIND_WORD },
    [COCO_KEY_VM_CPU] = { "vm", "cpu", "", COCO_KIND_WORD },
    NUMBER(COCO_KEY_VM_VCPUS, "vm", "vcpus", "1", 1, 255),
    NUMBER(COCO_KEY_VM_MEMORY_MIB, "vm", "memory_mib", "256", 64, 4 * 1024 * 1024),
    NUMBER(COCO_KEY_VM_MAX_VCPUS, "vm", "max_vcpus", "0", 0, 255),
    NUMBER(COCO_KEY_VM_MAX_MEMORY_MIB, "vm", "max_memory_mib", "0", 0, 4 * 1024 * 1024),
    [COCO_KEY_GUEST_KERNEL] = { "guest", "kernel", COCO_GUEST_DIR "/vmlinuz", COCO_KIND_PATH },
    [COCO_KEY_GUEST_INITRD] = { "guest", "initrd", COCO_GUEST_DIR "/initrd.img", COCO_KIND_OPTIONAL_PATH },
    [COCO_KEY_GUEST_CMDLINE] = { "guest", "cmdline", "", COCO_KIND_STRING },
    PATH(COCO_KEY_GUEST_FIRMWARE, "guest", "firmware"),
    PATH(COCO_KEY_GUEST_INITDATA, "guest", "initdata"),
    CHOICE(COCO_KEY_GUEST_ROOTFS, "guest", "rootfs", "auto", rootfs),
    NUMBER(COCO_KEY_GUEST_AGENT_TIMEOUT_S, "guest", "agent_timeout_s", "30", 1, 3600),
    [COCO_KEY_HOST_QEMU] = { "host", "qemu", "/usr/bin/qemu-system-x86_64", COCO_KIND_PATH },
    [COCO_KEY_HOST_QEMU_USER] = { "host", "qemu_user", "libvirt-qemu", COCO_KIND_WORD },
    [COCO_KEY_HOST_QEMU_UID_RANGE] = { "host", "qemu_uid_range", "2100000000-2100009999", COCO_KIND_WORD },
    [COCO_KEY_HOST_URI] = { "host", "uri", "", COCO_KIND_STRING },
    NUMBER(COCO_KEY_HOST_LAUNCH_TIMEOUT_S, "host", "launch_timeout_s", "60", 1, 3600),
    [COCO_KEY_HOST_CACHE_DIR] = { "host", "cache_dir", "/var/cache/coco/libvirt", COCO_KIND_PATH },
    PATH(COCO_KEY_HOST_VIRTIOFSD, "host", "virtiofsd"),
    CHOICE(COCO_KEY_HOST_BOOT_FILES, "host", "boot_files", "auto", boot_files),
    CHOICE(COCO_KEY_MEMORY_BACKING, "memory", "backing", "auto", backings),
    CHOICE(COCO_KEY_MEMORY_HUGEPAGES, "memory", "hugepages", "none", hugepages),
    FLAG(COCO_KEY_MEMORY_LOCKED, "memory", "locked", "no"),
    FLAG(COCO_KEY_MEMORY_PREALLOC, "memory", "prealloc", "no"),
    CHOICE(COCO_KEY_NETWORK_MODEL, "network", "model", "tap", models),
    [COCO_KEY_ANNOTATIONS_ALLOW] = { "annotations", "allow", "", COCO_KIND_STRING },
    MASK(COCO_KEY_SEV_POLICY, "sev", "policy"),
    FLAG(COCO_KEY_SEV_DEBUG, "sev", "debug", "no"),
    FLAG(COCO_KEY_SEV_KEY_SHARING, "sev", "key_sharing", "no"),
    FLAG(COCO_KEY_SEV_ES, "sev", "es", "no"),
    FLAG(COCO_KEY_SEV_SEND, "sev", "send", "no"),
    FLAG(COCO_KEY_SEV_DOMAIN, "sev", "domain", "no"),
    FLAG(COCO_KEY_SEV_SEV, "sev", "sev", "no"),
    NUMBER(COCO_KEY_SEV_API_MAJOR, "sev", "api_major", "0", 0, 255),
    NUMBER(COCO_KEY_SEV_API_MINOR, "sev", "api_minor", "0", 0, 255),
    FLAG(COCO_KEY_SEV_KERNEL_HASHES, "sev", "kernel_hashes", "yes"),
    PATH(COCO_KEY_SEV_DH_CERT, "sev", "dh_cert"),
    PATH(COCO_KEY_SEV_SESSION, "sev", "session"),
    [COCO_KEY_SEV_ATTEST] = { "sev", "attest", "", COCO_KIND_HOOK },
    NUMBER(COCO_KEY_SEV_ATTEST_TIMEOUT_S, "sev", "attest_timeout_s", "30", 1, 3600),
    MASK(COCO_KEY_SNP_POLICY, "snp", "policy"),
    NUMBER(COCO_KEY_SNP_ABI_MAJOR, "snp", "abi_major", "0", 0, 255),
    NUMBER(COCO_KEY_SNP_ABI_MINOR, "snp", "abi_minor", "0", 0, 255),
    FLAG(COCO_KEY_SNP_SMT, "snp", "smt", "yes"),
    FLAG(COCO_KEY_SNP_MIGRATION_AGENT, "snp", "migration_agent", "no"),
    FLAG(COCO_KEY_SNP_DEBUG, "snp", "debug", "no"),
    FLAG(COCO_KEY_SNP_SINGLE_SOCKET, "snp", "single_socket", "no"),
    FLAG(COCO_KEY_SNP_CXL, "snp", "cxl", "no"),
    FLAG(COCO_KEY_SNP_AES_256_XTS, "snp", "aes_256_xts", "no"),
    FLAG(COCO_KEY_SNP_RAPL_OFF, "snp", "rapl_off", "no"),
    FLAG(COCO_KEY_SNP_CIPHERTEXT_HIDING, "snp", "ciphertext_hiding", "no"),
    FLAG(COCO_KEY_SNP_PAGE_SWAP_OFF, "snp", "page_swap_off", "no"),
    FLAG(COCO_KEY_SNP_KERNEL_HASHES, "snp", "kernel_hashes", "yes"),
    PATH(COCO_KEY_SNP_ID_BLOCK, "snp", "id_block"),
    PATH(COCO_KEY_SNP_ID_AUTH, "snp", "id_auth"),
    FLAG(COCO_KEY_SNP_AUTHOR_KEY, "snp", "author_key", "no"),
    FLAG(COCO_KEY_SNP_VCEK, "snp", "vcek", "yes"),
    BYTES(COCO_KEY_SNP_HOST_DATA, "snp", "host_data", 32),
    BYTES(COCO_KEY_SNP_GUEST_VISIBLE_WORKAROUNDS, "snp", "guest_visible_workarounds", 16),
    MASK(COCO_KEY_SNP_VMSA_FEATURES, "snp", "vmsa_features"),
    MASK(COCO_KEY_TDX_POLICY, "tdx", "policy"),
    FLAG(COCO_KEY_TDX_DEBUG, "tdx", "debug", "no"),
    FLAG(COCO_KEY_TDX_SEPT_VE_DISABLE, "tdx", "sept_ve_disable", "yes"),
    BYTES(COCO_KEY_TDX_MRCONFIGID, "tdx", "mrconfigid", 48),
    BYTES(COCO_KEY_TDX_MROWNER, "tdx", "mrowner", 48),
    BYTES(COCO_KEY_TDX_MROWNERCONFIG, "tdx", "mrownerconfig", 48),
    [COCO_KEY_TDX_QUOTE_GENERATION_SERVICE] = { "tdx", "quote_generation_service", "/var/run/tdx-qgs/qgs.socket",
                                                COCO_KIND_OPTIONAL_PATH },
    CHOICE(COCO_KEY_CCA_MEASUREMENT_ALGORITHM, "cca", "measurement_algorithm", "sha512", algorithms),
    FLAG(COCO_KEY_CCA_MEASUREMENT_LOG, "cca", "measurement_log", "no"),
    BYTES(COCO_KEY_CCA_PERSONALIZATION_VALUE, "cca", "personalization_value", 64),
    [COCO_KEY_SGX_EPC_MIB] = { "sgx", "epc_mib", "", COCO_KIND_WORD },
    [COCO_KEY_DEBUG_GUEST_VERBOSE] = { "debug", "guest_verbose", "false", COCO_KIND_BOOL },
    [COCO_KEY_DEBUG_INSECURE_HOST_SHARE] = { "debug", "insecure_host_share", "false", COCO_KIND_BOOL },
    [COCO_KEY_DEBUG_INSECURE_FIRMWARE] = { "debug", "insecure_firmware", "false", COCO_KIND_BOOL },
    [COCO_KEY_DEBUG_INSECURE_KERNEL] = { "debug", "insecure_kernel", "false", COCO_KIND_BOOL },
    [COCO_KEY_DEBUG_INSECURE_POLICY] = { "debug", "insecure_policy", "false", COCO_KIND_BOOL },
};
/* clang-format on */
G_STATIC_ASSERT(G_N_ELEMENTS(keys) == COCO_N_KEYS);

const CocoKeyInfo *
coco_config_key_info(CocoKey key)
{
    g_return_val_if_fail((unsigned int) key < COCO_N_KEYS, NULL);
    return &keys[key];
}

bool
coco_vm_config_find_key(const char *group, const char *name, CocoKey *out_key)
{
    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        if (strcmp(keys[key].group, group) == 0 &&
            (name == NULL || strcmp(keys[key].name, name) == 0)) {
            *out_key = key;
            return true;
        }
    }
    return false;
}

const char *
coco_vm_config_key_group(CocoKey key)
{
    return keys[key].group;
}

const char *
coco_vm_config_key_name(CocoKey key)
{
    return keys[key].name;
}

const char *
coco_vm_config_key_default(CocoKey key)
{
    return keys[key].preset;
}

const char *
coco_vm_config_choice_name(CocoKey key, int choice)
{
    g_return_val_if_fail(keys[key].kind == COCO_KIND_CHOICE, "");
    return keys[key].choices[choice];
}

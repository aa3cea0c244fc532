// SPDX-License-Identifier: Apache-2.0
/*
 * The typed configuration of one VM: a key file, its drop-ins FILE.d/NAME.conf in name order, and
 * overrides.
 *
 * Every key is known, typed and ranged; anything else is an error that names file, line, group and
 * key. Reading a value cannot fail: what was read is valid, and what was not given has its
 * default.
 *
 * Ownership: a config owns its strings; getters lend them for the life of the config.
 * Thread: immutable after load, so any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef enum {
    COCO_KEY_VM_TEE,       /* choice: CocoTee */
    COCO_KEY_VM_ACCEL,     /* choice: CocoAccel */
    COCO_KEY_VM_TRANSPORT, /* choice: CocoTransport */
    COCO_KEY_VM_MACHINE,   /* string */
    COCO_KEY_VM_CPU,       /* string; "" = what suits the accelerator */
    COCO_KEY_VM_VCPUS,     /* number */
    COCO_KEY_VM_MEMORY_MIB,
    COCO_KEY_VM_MAX_VCPUS, /* number; 0 = what the host has */
    COCO_KEY_VM_MAX_MEMORY_MIB,
    COCO_KEY_GUEST_KERNEL, /* string: absolute path */
    COCO_KEY_GUEST_INITRD,
    COCO_KEY_GUEST_CMDLINE,
    COCO_KEY_GUEST_FIRMWARE, /* string: absolute path, or "" = the machine's own */
    COCO_KEY_GUEST_ROOTFS,   /* choice: CocoRootfs */
    COCO_KEY_GUEST_AGENT_TIMEOUT_S,
    COCO_KEY_HOST_QEMU,
    COCO_KEY_HOST_QEMU_USER,
    COCO_KEY_HOST_QEMU_UID_RANGE, /* string: uid-range.h */
    COCO_KEY_HOST_URI,            /* string; "" = the embedded driver in the run directory */
    COCO_KEY_HOST_LAUNCH_TIMEOUT_S,
    COCO_KEY_HOST_CACHE_DIR,
    COCO_KEY_HOST_VIRTIOFSD,    /* string: absolute path, or "" = where distributions put it */
    COCO_KEY_HOST_BOOT_FILES,   /* choice: CocoBootMode */
    COCO_KEY_GUEST_INITDATA,    /* string: absolute path, or "" = none */
    COCO_KEY_MEMORY_BACKING,    /* choice: CocoBacking */
    COCO_KEY_MEMORY_HUGEPAGES,  /* choice: CocoHugepages */
    COCO_KEY_MEMORY_LOCKED,     /* flag */
    COCO_KEY_MEMORY_PREALLOC,   /* flag */
    COCO_KEY_NETWORK_MODEL,     /* choice: CocoNetworkModel */
    COCO_KEY_ANNOTATIONS_ALLOW, /* string: annotations.h */
    COCO_KEY_SEV_POLICY,        /* mask; the flags below say the same by name */
    COCO_KEY_SEV_DEBUG,
    COCO_KEY_SEV_KEY_SHARING,
    COCO_KEY_SEV_ES,
    COCO_KEY_SEV_SEND,
    COCO_KEY_SEV_DOMAIN,
    COCO_KEY_SEV_SEV,
    COCO_KEY_SEV_API_MAJOR, /* number */
    COCO_KEY_SEV_API_MINOR,
    COCO_KEY_SEV_KERNEL_HASHES, /* flag */
    COCO_KEY_SEV_DH_CERT,       /* string: absolute path, or "" */
    COCO_KEY_SEV_SESSION,
    COCO_KEY_SEV_ATTEST, /* string: a program's absolute path, an http(s) URL, or "" = not asked */
    COCO_KEY_SEV_ATTEST_TIMEOUT_S,
    COCO_KEY_SNP_POLICY, /* mask; the flags below say the same by name */
    COCO_KEY_SNP_ABI_MAJOR,
    COCO_KEY_SNP_ABI_MINOR,
    COCO_KEY_SNP_SMT,
    COCO_KEY_SNP_MIGRATION_AGENT,
    COCO_KEY_SNP_DEBUG,
    COCO_KEY_SNP_SINGLE_SOCKET,
    COCO_KEY_SNP_CXL,
    COCO_KEY_SNP_AES_256_XTS,
    COCO_KEY_SNP_RAPL_OFF,
    COCO_KEY_SNP_CIPHERTEXT_HIDING,
    COCO_KEY_SNP_PAGE_SWAP_OFF,
    COCO_KEY_SNP_KERNEL_HASHES, /* flag */
    COCO_KEY_SNP_ID_BLOCK,      /* string: absolute path, or "" */
    COCO_KEY_SNP_ID_AUTH,
    COCO_KEY_SNP_AUTHOR_KEY,                /* flag */
    COCO_KEY_SNP_VCEK,                      /* flag */
    COCO_KEY_SNP_HOST_DATA,                 /* bytes: 32 */
    COCO_KEY_SNP_GUEST_VISIBLE_WORKAROUNDS, /* bytes: 16 */
    COCO_KEY_SNP_VMSA_FEATURES,             /* mask; "" = what QEMU and kernel use */
    COCO_KEY_TDX_POLICY,                    /* mask; the flags below say the same by name */
    COCO_KEY_TDX_DEBUG,
    COCO_KEY_TDX_SEPT_VE_DISABLE,
    COCO_KEY_TDX_MRCONFIGID, /* bytes: 48 */
    COCO_KEY_TDX_MROWNER,
    COCO_KEY_TDX_MROWNERCONFIG,
    COCO_KEY_TDX_QUOTE_GENERATION_SERVICE, /* string: absolute path, or "" = the guest gets none */
    COCO_KEY_CCA_MEASUREMENT_ALGORITHM,    /* choice: CocoCcaAlgorithm */
    COCO_KEY_CCA_MEASUREMENT_LOG,          /* flag */
    COCO_KEY_CCA_PERSONALIZATION_VALUE,    /* bytes: 64 */
    COCO_KEY_SGX_EPC_MIB,                  /* string: SIZE[:NODE],… */
    COCO_KEY_DEBUG_GUEST_VERBOSE,          /* bool */
    COCO_KEY_DEBUG_INSECURE_HOST_SHARE,    /* bool */
    COCO_KEY_DEBUG_INSECURE_FIRMWARE,      /* bool */
    COCO_KEY_DEBUG_INSECURE_KERNEL,        /* bool */
    COCO_KEY_DEBUG_INSECURE_POLICY,        /* bool */
    COCO_N_KEYS,
} CocoKey;

typedef enum {
    COCO_TEE_NONE,
    COCO_TEE_SEV,
    COCO_TEE_SEV_ES,
    COCO_TEE_SNP,
    COCO_TEE_TDX,
    COCO_TEE_SE,
    COCO_TEE_CCA,
    COCO_N_TEES,
} CocoTee;

typedef enum {
    COCO_ACCEL_AUTO,
    COCO_ACCEL_KVM,
    COCO_ACCEL_TCG,
} CocoAccel;

typedef enum {
    COCO_TRANSPORT_AUTO,
    COCO_TRANSPORT_VSOCK,
    COCO_TRANSPORT_CHANNEL,
} CocoTransport;

typedef enum {
    COCO_ROOTFS_AUTO, /* never after load */
    COCO_ROOTFS_VIRTIOFS,
    COCO_ROOTFS_BLOCK,
    COCO_ROOTFS_GUEST_PULL,
} CocoRootfs;

typedef enum {
    COCO_BOOT_FILES_AUTO, /* never after load */
    COCO_BOOT_FILES_SHARED,
    COCO_BOOT_FILES_COPY,
} CocoBootMode;

typedef enum {
    COCO_BACKING_AUTO,
    COCO_BACKING_ANONYMOUS,
    COCO_BACKING_MEMFD,
} CocoBacking;

typedef enum {
    COCO_HUGEPAGES_NONE,
    COCO_HUGEPAGES_2M,
    COCO_HUGEPAGES_1G,
} CocoHugepages;

typedef enum {
    COCO_NETWORK_TAP,
    COCO_NETWORK_USER,
    COCO_NETWORK_NONE,
} CocoNetworkModel;

typedef enum {
    COCO_CCA_SHA256,
    COCO_CCA_SHA512,
} CocoCcaAlgorithm;

typedef struct _CocoVmConfig CocoVmConfig;

/* Reads file, its drop-ins and overrides ("GROUP.KEY=VALUE", nullable array), in this order
 * (transfer full). What the TEE adds and forbids is not in it: that is coco_tee_config_load(). */
CocoVmConfig *coco_vm_config_read(const char *file, const char *const *overrides, GError **error);

/* The same from text in memory; name stands for the file in messages (transfer full). */
CocoVmConfig *coco_vm_config_read_text(const char *name, const char *text, size_t len,
                                       const char *const *overrides, GError **error);

/* Gives a key another default; a value that was given stays. value: valid for the key. */
void coco_vm_config_set_default(CocoVmConfig *config, CocoKey key, const char *value);

void coco_vm_config_free(CocoVmConfig *config); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoVmConfig, coco_vm_config_free)

const char *coco_vm_config_string(const CocoVmConfig *config, CocoKey key);
unsigned int coco_vm_config_number(const CocoVmConfig *config, CocoKey key);
bool coco_vm_config_bool(const CocoVmConfig *config, CocoKey key);  /* of a bool or a flag */
int coco_vm_config_choice(const CocoVmConfig *config, CocoKey key); /* the enum of the key */

/* A mask, or 0 when the value is empty: coco_vm_config_is_set() tells. */
guint64 coco_vm_config_mask(const CocoVmConfig *config, CocoKey key);

/* The decoded bytes, of exactly the length that the key has; NULL when the value is empty (transfer
 * none). */
GBytes *coco_vm_config_bytes(const CocoVmConfig *config, CocoKey key);

/* True when a file or an override gave this key a value that is not empty. */
bool coco_vm_config_is_set(const CocoVmConfig *config, CocoKey key);

/* The file that was loaded first (transfer none). */
const char *coco_vm_config_name(const CocoVmConfig *config);

/* Sets a BAD_CONFIG error "config 'FILE' line N: [group] key: what"; FILE is where the key was
 * given, or the first file. Always returns false, for `return coco_vm_config_error(…)`. */
bool coco_vm_config_error(const CocoVmConfig *config, CocoKey key, GError **error,
                          const char *format, ...) G_GNUC_PRINTF(4, 5);

/* What the table says of a key, for documentation and its test (transfer none). */
const char *coco_vm_config_key_group(CocoKey key);
const char *coco_vm_config_key_name(CocoKey key);
const char *coco_vm_config_key_default(CocoKey key); /* nullable: the key is required */

/* The word for a choice, such as "tcg" for (COCO_KEY_VM_ACCEL, COCO_ACCEL_TCG) (transfer none). */
const char *coco_vm_config_choice_name(CocoKey key, int choice);

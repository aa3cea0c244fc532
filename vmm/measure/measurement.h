// SPDX-License-Identifier: Apache-2.0
/*
 * What a launch measurement is made from and what comes out (measure.h computes it).
 *
 * Ownership: inputs are borrowed; a CocoMeasurement owns nothing.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "vmm/config/config.h"

#define COCO_MEASURE_MAX_FIRMWARE (64u << 20)
#define COCO_MEASURE_MAX_BLOB (2ull << 30) /* a kernel, an initrd, a Secure Execution image */
#define COCO_MEASURE_MAX_CMDLINE (64u << 10)
#define COCO_MEASURE_MAX_VCPUS 4096u
#define COCO_MEASURE_MAX_DIGEST 64u
#define COCO_MEASURE_MAX_STATEMENTS 8u
#define COCO_MEASURE_MAX_HOST_KEYS 128u

#define COCO_HOST_DATA_BYTES 32u    /* SEV-SNP */
#define COCO_MRCONFIGID_BYTES 48u   /* TDX */
#define COCO_RPV_BYTES 64u          /* CCA */
#define COCO_SNP_VMSA_FEATURES 1ull /* SNPActive: what QEMU up to 11.1 sets */

/* How KVM makes a SEV-ES VM. It shows in the VMSA: the legacy type leaves the FPU fields zero. */
typedef enum {
    COCO_SEV_ES_LEGACY,  /* KVM_SEV_ES_INIT: QEMU up to 11.1, hence libvirt */
    COCO_SEV_ES_CURRENT, /* KVM_X86_SEV_ES_VM: QEMU's legacy-vm-type=off */
} CocoSevEsVmType;

/* Where the firmware puts "initrd=initrd" into the kernel's load options. */
typedef enum {
    COCO_TDX_LOAD_OPTIONS_AUTO,  /* after the firmware's metadata; without a firmware, FIRST */
    COCO_TDX_LOAD_OPTIONS_FIRST, /* edk2 202508 and later: "initrd=initrd " before the rest */
    COCO_TDX_LOAD_OPTIONS_LAST,  /* older: " initrd=initrd" after it */
} CocoTdxLoadOptions;

/* Arm CCA: what of the realm is measured besides its bytes; all of it is the host's choice
 * (RmiRealmParams). */
typedef struct {
    bool sha512;               /* the measurement algorithm; false: SHA-256 */
    bool lpa2;                 /* addresses of 52 bits */
    unsigned int ipa_bits;     /* size of the address space, 32 to 52 */
    unsigned int sve_bits;     /* SVE vector length, a multiple of 128; 0: no SVE */
    unsigned int breakpoints;  /* from 2 on */
    unsigned int watchpoints;  /* from 2 on */
    unsigned int pmu_counters; /* 0: no PMU */
    uint64_t ram_bytes;
    GBytes *dtb; /* the device tree that the VMM generates */
} CocoMeasureCca;

typedef struct {
    CocoTee tee;
    GBytes *firmware;      /* required for SEV, SEV-ES, SNP; TDX without it has no MRTD */
    GBytes *kernel;        /* nullable; for SE the pvimg image */
    GBytes *initrd;        /* nullable */
    const char *cmdline;   /* nullable */
    bool no_kernel_hashes; /* SEV: the kernel is loaded and not measured (kernelHashes='no') */
    unsigned int vcpus;    /* SEV-ES, SNP: those that exist at boot */
    const char *cpu_model; /* SEV-ES, SNP: see coco_cpu_signature() */
    bool vmsa_features_given;
    uint64_t vmsa_features;
    CocoSevEsVmType sev_es_vm_type;
    bool tdx_two_pass; /* the order of Intel's downstream QEMU 8: all adds, then all extends */
    CocoTdxLoadOptions tdx_load_options;
    const uint8_t *initdata_digest; /* nullable */
    size_t initdata_digest_len;
    CocoMeasureCca cca;
} CocoMeasureInput;

/* A value that may be absent: then len is 0. */
typedef struct {
    size_t len;
    uint8_t bytes[COCO_MEASURE_MAX_DIGEST];
} CocoDigest;

typedef struct {
    CocoDigest pld, ald, tld; /* digests of pages, addresses, tweaks */
    CocoDigest tag;           /* of the header, 16 bytes */
    uint64_t n_pages;         /* encrypted pages of the image */
    size_t n_host_keys;
    CocoDigest host_keys[COCO_MEASURE_MAX_HOST_KEYS]; /* sha256 of each key that can run it */
} CocoSeMeasurement;

/* What is not predicted, or what to know about a value. Both texts are static. */
typedef struct {
    const char *about;
    const char *text;
} CocoMeasureStatement;

typedef struct {
    CocoDigest launch_digest;      /* SEV, SEV-ES: 32 bytes; SNP: 48 */
    CocoDigest firmware_digest;    /* SNP: the launch digest after the firmware's pages */
    CocoDigest mrtd, rtmr1, rtmr2; /* TDX: 48 bytes */
    CocoDigest cfv_event;          /* TDX: digest of RTMR0's event for the variable store */
    CocoDigest host_data;          /* SNP */
    CocoDigest mrconfigid;         /* TDX */
    CocoDigest rim;                /* CCA: 32 or 64 bytes */
    CocoDigest rpv;                /* CCA: the personalization value, 64 bytes */
    CocoSeMeasurement se;
    CocoDigest firmware_sha256, kernel_sha256, initrd_sha256, cmdline_sha256, dtb_sha256;
    bool kernel_is_free; /* SEV, SEV-ES, SNP: the firmware boots any kernel under this digest */
    size_t n_statements;
    CocoMeasureStatement statements[COCO_MEASURE_MAX_STATEMENTS];
} CocoMeasurement;

/* One step of a value coming about: a group of pages, or an event. */
typedef struct {
    const char *value; /* the JSON key of the value, such as "launch_digest" */
    const char *label; /* what was added */
    bool has_gpa;
    uint64_t gpa;
    uint64_t bytes;           /* how much was added */
    const CocoDigest *event;  /* nullable: the digest that a register was extended with */
    const CocoDigest *so_far; /* the value after this step */
} CocoMeasureStep;

typedef struct {
    void (*step)(const CocoMeasureStep *step, void *user_data);
    void *user_data;
} CocoMeasureTrace;

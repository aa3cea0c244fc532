// SPDX-License-Identifier: Apache-2.0
/*
 * The TEE back-ends: one file each, one table of operations each (tee-snp.c).
 *
 * What is asked for is what runs: a config that does not fit its TEE, a back-end that is missing
 * and a host that cannot serve it are errors, never a fallback.
 *
 * Ownership: the tables are static.
 * Thread: any.
 */
#pragma once

#include <libxml/xmlwriter.h>

#include "vmm/config/config.h"
#include "vmm/tee/tee-host.h"

struct CocoDomainFacts; /* domain-facts.h */

/* Debian's: ovmf-amdsev is the only one that checks a measured direct boot; ovmf-generic. */
#define COCO_FIRMWARE_AMDSEV "/usr/share/ovmf/OVMF.amdsev.fd"
#define COCO_FIRMWARE_GENERIC "/usr/share/ovmf/OVMF.fd"

/* An image is pulled into the guest's own memory; firmware that runs in encrypted memory, and every
 * page that the guest accepts, take their time. */
#define COCO_TEE_MEMORY_MIB "2048"
#define COCO_TEE_AGENT_TIMEOUT_S "90"

/* What a key is with this TEE unless the config says otherwise. */
typedef struct {
    CocoKey key;
    const char *value;
} CocoTeeDefault;

struct CocoTeeOps {
    CocoTee tee;
    const char *group;        /* the config group of its own, or NULL */
    const char *arch;         /* as QEMU and libvirt call it, or NULL: any */
    const char *machine;      /* the machine type, and the beginning of its versions, or NULL */
    const char *sec_type;     /* libvirt's launchSecurity type, or NULL */
    unsigned int min_libvirt; /* COCO_VERSION_OF(); 0: no release can launch it */
    unsigned int min_qemu;
    unsigned int min_kernel; /* 0: any */
    const char *device;      /* that QEMU opens beside /dev/kvm: private-device.h; or NULL */
    const char *qemu_object; /* that QEMU must have been built with, or NULL */
    bool object_is_new;      /* min_qemu was the first with it: an older one has a back-port */
    const char *kernel_mark; /* a file that such a kernel has and no other, or NULL */
    const CocoTeeDefault *defaults; /* ends with a NULL value */

    /* What holds for this TEE alone; rules for all of them are in tee.c. BAD_CONFIG. */
    bool (*validate)(const CocoVmConfig *config, GError **error);

    /* What the host must have beside the above; adds findings (tee-probe.h). Nullable. */
    void (*probe)(const CocoTeeHost *host, GPtrArray *findings);

    /* Writes <launchSecurity>; NULL where libvirt has none. */
    void (*write_security)(xmlTextWriter *w, const CocoVmConfig *config,
                           const struct CocoDomainFacts *facts);

    /* Where the host binds the digest of initdata, or COCO_N_KEYS and 0 where it cannot. */
    CocoKey host_data_key;
    size_t host_data_size;
    /* Where there is no such field: whether the command line is measured, COCO_N_KEYS if never. */
    CocoKey cmdline_key;
};

extern const struct CocoTeeOps coco_tee_none;
extern const struct CocoTeeOps coco_tee_sev;
extern const struct CocoTeeOps coco_tee_sev_es;
extern const struct CocoTeeOps coco_tee_snp;
extern const struct CocoTeeOps coco_tee_tdx;
extern const struct CocoTeeOps coco_tee_se;
extern const struct CocoTeeOps coco_tee_cca;

/* The back-end that the config asks for (transfer none). */
const struct CocoTeeOps *coco_tee_of(const CocoVmConfig *config);

/* Checks the whole config without looking at this host; part of loading one. The message names key
 * and file. */
bool coco_tee_validate(const CocoVmConfig *config, GError **error);

/* Fails unless both keys are set or neither. */
bool coco_tee_need_both(const CocoVmConfig *config, CocoKey one, CocoKey other, GError **error);

/* Fails with NO_TEE when there is no domain XML for this TEE. */
bool coco_tee_has_domain(const CocoVmConfig *config, GError **error);

/* Fails unless [vm] cpu is a model whose measurement can be computed. */
bool coco_tee_check_amd_cpu(const CocoVmConfig *config, GError **error);

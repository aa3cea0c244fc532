// SPDX-License-Identifier: Apache-2.0
/*
 * What a host must have for a TEE, and what it lacks: a list of findings, each with the way to mend
 * it. A launch makes one error of it, `cococtl check` a table.
 *
 * Ownership: a list owns its findings.
 * Thread: one.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/tee/tee-host.h"
#include "vmm/tee/tee.h"

typedef struct {
    bool ok;
    char *what;  /* "libvirt" */
    char *found; /* "10.5.0 or newer is needed, 9.0.0 is here" */
    char *fix;   /* what to do; NULL when ok */
} CocoFinding;

typedef GPtrArray CocoFindings; /* of CocoFinding */

CocoFindings *coco_findings_new(void);

/* Adds one; fix is only kept when it is not ok. */
void coco_findings_add(CocoFindings *findings, bool ok, const char *what, const char *fix,
                       const char *format, ...) G_GNUC_PRINTF(5, 6);

/* All that this TEE needs of a host. */
void coco_tee_probe(const struct CocoTeeOps *ops, const CocoTeeHost *host, CocoFindings *findings);

/* What this config asks for beyond its TEE: a CPU model that libvirt knows, SGX pages. */
void coco_probe_config(const CocoVmConfig *config, const CocoTeeHost *host, CocoFindings *findings);

/* The part of it that is versions of libvirt, QEMU and, when it is known, the kernel. */
void coco_tee_probe_versions(const struct CocoTeeOps *ops, const CocoTeeHost *host,
                             CocoFindings *findings);

/* True when all is well; else NO_TEE, with everything that is missing in one line. */
bool coco_findings_check(const struct CocoTeeOps *ops, const CocoFindings *findings,
                         GError **error);

/* The whole answer for a launch. */
bool coco_tee_check_host(const CocoVmConfig *config, GError **error);

/* For the back-ends: "Y" or "1" in /sys/module/MODULE/parameters/NAME. */
void coco_probe_parameter(const CocoTeeHost *host, const char *module, const char *name,
                          CocoFindings *findings);

/* A device node that must open. */
void coco_probe_device(const CocoTeeHost *host, const char *path, const char *fix,
                       CocoFindings *findings);

/* A flag of the CPU, by the kernel's name. */
void coco_probe_cpu_flag(const CocoTeeHost *host, const char *flag, const char *fix,
                         CocoFindings *findings);

/* At least one free slot of "name" in the misc cgroup controller, where that tells. */
void coco_probe_slots(const CocoTeeHost *host, const char *name, CocoFindings *findings);

/* What SEV, SEV-ES and SEV-SNP have in common: "flag" is the CPU's and the module's word for it,
 * and "slots" the cgroup controller's. */
void coco_tee_probe_amd(const CocoTeeHost *host, const char *flag, const char *slots,
                        CocoFindings *findings);

// SPDX-License-Identifier: Apache-2.0
/*
 * What this host has for the TEEs: kernel, modules, devices, the versions of libvirt and QEMU.
 *
 * Facts: /sys/module/kvm_amd/parameters/{sev,sev_es,sev_snp}, kvm_intel/parameters/tdx, the misc
 * cgroup controller's SEV ASIDs, /sys/firmware/uv (s390x).
 *
 * Ownership: a host owns its strings.
 * Thread: immutable once read, so any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* As libvirt counts: major * 1000000 + minor * 1000 + micro; 0: not known. */
#define COCO_VERSION_OF(major, minor, micro) ((major) *1000000u + (minor) *1000u + (micro))

typedef struct {
    char *root; /* where /sys, /dev and /proc are; "" on a real host */
    char *arch; /* as uname() says it */
    unsigned int kernel;
    unsigned int libvirt;
    unsigned int qemu;
    char *libvirt_problem; /* why a version is not known; else NULL */
    char *qemu_problem;
    char *qemu_objects; /* the output of -object help, or "" */
    char *cpu_flags;    /* " flag flag … ", or "" */
} CocoTeeHost;

/* Asks uname, the worker (for libvirt) and QEMU. Cannot fail: what is not known is said so. */
void coco_tee_host_read(const char *emulator, CocoTeeHost *out_host);
void coco_tee_host_clear(CocoTeeHost *host);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoTeeHost, coco_tee_host_clear)

/* "10.5.0" (transfer full). */
char *coco_version_text(unsigned int version);

/* The first "N.N[.N]" in a text, or 0. */
unsigned int coco_version_parse(const char *text);

/* A small file below the root without its line end; NULL when it cannot be read (transfer full). */
char *coco_tee_host_file(const CocoTeeHost *host, const char *path);

/* True when the node below the root opens for reading and writing; *out_problem says why not
 * (transfer full). */
bool coco_tee_host_opens(const CocoTeeHost *host, const char *path, char **out_problem);

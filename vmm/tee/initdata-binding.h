// SPDX-License-Identifier: Apache-2.0
/*
 * What one launch makes of initdata: where it comes from, the field of the TEE's evidence that its
 * digest is bound to, and the read-only disk that brings it to the guest.
 *
 * An annotation of the pod comes before [guest] initdata. SEV and SEV-ES, which have no field for
 * it, have the digest on the measured command line. Where it would be bound to nothing the host
 * could exchange it unseen, so it is refused: with se, and with kernel_hashes = no. Without a TEE
 * nothing is proved anyway. A config that sets the field itself, to anything else than the digest,
 * is refused: what was asked for could not be what runs.
 *
 * Ownership: a binding owns everything in it.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>

#include "vmm/config/config.h"
#include "vmm/config/vm-spec.h"
#include "vmm/initdata/initdata.h"
#include "vmm/run/run-dir.h"

/* The disk below the run directory. */
#define COCO_INITDATA_DISK "vm/initdata.img"

typedef struct {
    CocoInitdata *initdata; /* nullable: there is none */
    GBytes *host_data;      /* the field, of the TEE's size; NULL when it has none */
} CocoInitdataBinding;

typedef struct {
    const char *annotation_file; /* nullable: a file with the annotation's value */
    const char *toml_file;       /* nullable: instead of [guest] initdata */
} CocoInitdataSource;

/* Reads and checks; BAD_CONFIG. An empty binding is no error. */
bool coco_initdata_binding_load(CocoInitdataBinding *binding, const CocoVmConfig *config,
                                const CocoInitdataSource *source, GError **error);

/* Adds the digest to the command line where it belongs there; BAD_CONFIG for a command line that is
 * longer than what a kernel reads. */
bool coco_initdata_binding_apply(const CocoInitdataBinding *binding, CocoVmSpec *spec,
                                 GError **error);

/* Writes the disk, readable for the QEMU user; does nothing without initdata. */
bool coco_initdata_binding_write(const CocoInitdataBinding *binding, const CocoRunDir *run_dir,
                                 GError **error);

void coco_initdata_binding_clear(CocoInitdataBinding *binding);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoInitdataBinding, coco_initdata_binding_clear)

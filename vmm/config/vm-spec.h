// SPDX-License-Identifier: Apache-2.0
/*
 * One VM, decided: its config and what was asked for, resolved once. The domain XML, the
 * measurement and a change of the running VM take this, and nothing asks the config again for what
 * stands here. Saved in the run directory by the names of the fields, it is what a later attach or
 * detach works with, whatever has become of the config files.
 *
 * Ownership: the config is borrowed; a spec owns the rest.
 * Thread: one.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/config/json.h"
#include "vmm/config/vm-disk.h"
#include "vmm/config/vm-nic.h"

/* Below the run directory. */
#define COCO_VM_SPEC_FILE "vm/spec.json"

typedef struct {
    const CocoVmConfig *config; /* with every default in place; for what is not below */
    CocoAccel accel;            /* not auto */
    CocoTransport transport;    /* not auto */
    unsigned int vcpus;
    unsigned int memory_mib;
    unsigned int max_vcpus; /* that it may have while it runs; no more than vcpus: no room */
    unsigned int max_memory_mib;
    char *cmdline;
    char *share; /* nullable: no shared directory */
    bool hotplug;
    CocoVmDisks disks; /* the saved one has them without descriptors */
    CocoVmNics nics;   /* likewise */
} CocoVmSpec;

/* All but descriptors (transfer full). */
json_object *coco_vm_spec_to_object(const CocoVmSpec *spec);
char *coco_vm_spec_to_json(const CocoVmSpec *spec);

/* Reads what the above made; FAILED names the field that is wrong. The spec's config is *out_config
 * (transfer full). Both are written only on success. */
bool coco_vm_spec_from_json(json_object *object, CocoVmSpec *out_spec, CocoVmConfig **out_config,
                            GError **error);

/* The same of a file's text; path stands for it in messages. */
bool coco_vm_spec_parse(const char *path, const char *text, CocoVmSpec *out_spec,
                        CocoVmConfig **out_config, GError **error);

void coco_vm_spec_clear(CocoVmSpec *spec);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoVmSpec, coco_vm_spec_clear)

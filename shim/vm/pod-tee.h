// SPDX-License-Identifier: Apache-2.0
/*
 * The TEE that a pod insists on, whatever config its VM would start with: by the name of the
 * program, which stands in the RuntimeClass's handler (containerd-shim-coco-snp-v2: snp), and by an
 * annotation of the pod. coco-vmm refuses a config with another one.
 *
 *     io.coco-runtime.tee = snp
 *
 * `start` saves the annotation in the run directory as it does initdata, and a VM keeps it for its
 * whole life (pod-initdata.h).
 *
 * Ownership: strings are borrowed.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/bundle-config.h"
#include "shim/host/pod-dir.h"

/* What stands in the program's name, which also picks its config: snp-large; NULL for
 * containerd-shim-coco-v2 and for a name of another form. (transfer full) */
char *coco_pod_tee_word(const char *program);

/* The one that the program's name requires; NULL where there is no such word. What follows the
 * TEE and a dash is the operator's: snp-large requires snp. A word that is no TEE is the result as
 * it is: no config has that, so it starts no VM. (transfer full) */
char *coco_pod_tee_of_program(const char *program);

/* The annotation, NULL if absent. (transfer none) */
const char *coco_pod_tee_find(CocoAnnotationFunc get, void *user_data);

/* Saves the annotation of the bundle, if it has one; the run directory exists. */
bool coco_pod_tee_save(const char *bundle, const CocoPodDir *dir, GError **error);

/* Saves a value that comes with CreateSandbox instead, before the VM is started. */
bool coco_pod_tee_save_value(const char *value, const CocoPodDir *dir, GError **error);

/* What was saved; *out_tee is NULL if the pod insists on none. (transfer full) */
bool coco_pod_tee_load(const CocoPodDir *dir, char **out_tee, GError **error);

/* Fails with INVALID_ARGUMENT when value, of a container of this pod, is not what was saved. value:
 * nullable. */
bool coco_pod_tee_check(const CocoPodDir *dir, const char *value, GError **error);

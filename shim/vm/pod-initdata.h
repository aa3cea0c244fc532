// SPDX-License-Identifier: Apache-2.0
/*
 * The initdata annotation of a pod, from its first container's spec to the launcher. `start` saves
 * the value in the run directory before the server exists, because the VM is launched before
 * Create; coco-vmm reads and checks it (vmm/initdata/initdata.h), and its complaint is the error of
 * Create. A VM has one initdata for its whole life: a later container may repeat it, and not bring
 * another one.
 *
 * Source: Kata's annotation and its older name; both are taken out of the spec that the guest gets.
 * Ownership: strings are borrowed.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/bundle-config.h"
#include "shim/host/pod-dir.h"

/* The annotation under its name or its older name, NULL if absent. (transfer none) */
const char *coco_pod_initdata_find(CocoAnnotationFunc get, void *user_data);

/* True for either name. */
bool coco_pod_initdata_is_key(const char *key);

/* Saves the annotation of the bundle, if it has one; the run directory exists. */
bool coco_pod_initdata_save(const char *bundle, const CocoPodDir *dir, GError **error);

/* Saves a value that comes with CreateSandbox instead, before the VM is started. */
bool coco_pod_initdata_save_value(const char *value, const CocoPodDir *dir, GError **error);

/* The saved file, NULL if the pod has no initdata. (transfer none) */
const char *coco_pod_initdata_file(const CocoPodDir *dir);

/* Fails with INVALID_ARGUMENT when value, of a container of this pod, is not what was saved. value:
 * nullable. */
bool coco_pod_initdata_check(const CocoPodDir *dir, const char *value, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * What a pod says of its VM in Kata's annotations, from its first container's spec or from
 * CreateSandbox to the launcher, which knows what they mean and which are allowed
 * (vmm/config/annotations.h). Saved in the run directory as initdata is (pod-initdata.h), as a JSON
 * object with its names in order; a later container may repeat what was saved, and not say more.
 *
 * Those of Kata's runtime (io.katacontainers.config.runtime.…) set nothing here, which the log
 * tells; initdata goes its own way.
 *
 * Source: Kata Containers, src/libs/kata-types/src/annotations/mod.rs (names).
 * Ownership: a set owns its texts.
 * Thread: any, one at a time for a set.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/pod-dir.h"

typedef struct _CocoPodAnnotations CocoPodAnnotations;

CocoPodAnnotations *coco_pod_annotations_new(void);
void coco_pod_annotations_free(CocoPodAnnotations *annotations); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPodAnnotations, coco_pod_annotations_free)

/* Any annotation: those that are of no VM are left out. annotations: the type is
 * CocoAnnotationEachFunc's. */
void coco_pod_annotations_add(const char *key, const char *value, void *annotations);

/* An empty set leaves no file; the run directory exists. */
bool coco_pod_annotations_save(const CocoPodAnnotations *annotations, const CocoPodDir *dir,
                               GError **error);

/* The same with those of a bundle's spec, if it has one. */
bool coco_pod_annotations_save_bundle(const char *bundle, const CocoPodDir *dir, GError **error);

/* Fails with INVALID_ARGUMENT when one of them is not what was saved. */
bool coco_pod_annotations_check(const CocoPodAnnotations *annotations, const CocoPodDir *dir,
                                GError **error);

/* The saved file, NULL if there is none. (transfer none) */
const char *coco_pod_annotations_file(const CocoPodDir *dir);

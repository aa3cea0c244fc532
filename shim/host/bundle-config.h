// SPDX-License-Identifier: Apache-2.0
/*
 * A bundle's config.json as far as `start` needs it: its annotations, its cgroup,
 * its network namespace and its OOM score. The whole spec is read by
 * guest-protocol/oci/oci-json.c, for Create.
 *
 * Ownership: a config owns its JSON; strings are lent for its life.
 * Thread: any.
 */
#pragma once

#include <glib.h>

typedef struct _CocoBundleConfig CocoBundleConfig;

/* The value of an annotation of the container, NULL if there is none. (transfer none) */
typedef const char *(*CocoAnnotationFunc)(const char *key, void *user_data);

/* NULL with G_FILE_ERROR_NOENT when there is no file: a bundle without one is a sandbox of the
 * Sandbox API. (transfer full) */
CocoBundleConfig *coco_bundle_config_load(const char *bundle, GError **error);
void coco_bundle_config_free(CocoBundleConfig *config); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoBundleConfig, coco_bundle_config_free)

/* NULL if absent. (transfer none) config: a CocoBundleConfig; the type is CocoAnnotationFunc's. */
const char *coco_bundle_config_annotation(const char *key, void *config);

typedef void (*CocoAnnotationEachFunc)(const char *key, const char *value, void *user_data);

/* Those that are texts. */
void coco_bundle_config_each_annotation(const CocoBundleConfig *config, CocoAnnotationEachFunc func,
                                        void *user_data);

/* linux.cgroupsPath, "" if absent. (transfer none) */
const char *coco_bundle_config_cgroups_path(const CocoBundleConfig *config);

/* The path of the network namespace, "" for a new one, NULL when there is to be none but the
 * host's. (transfer none) */
const char *coco_bundle_config_netns(const CocoBundleConfig *config);

/* process.oomScoreAdj, within the kernel's bounds; 0 if absent. */
int coco_bundle_config_oom_score_adj(const CocoBundleConfig *config);

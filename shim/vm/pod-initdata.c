// SPDX-License-Identifier: Apache-2.0
/*
 * Saves and compares (pod-initdata.h). The value is a megabyte at most and is never interpreted
 * here: the shim has neither zlib nor a TOML reader in its address space.
 */
#include "shim/vm/pod-initdata.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/host/bundle-config.h"

static const char *const keys[] = {
    "io.katacontainers.config.hypervisor.cc_init_data",
    "io.katacontainers.config.runtime.cc_init_data", /* before CoCo 0.16 */
};

bool
coco_pod_initdata_is_key(const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

const char *
coco_pod_initdata_find(CocoAnnotationFunc get, void *user_data)
{
    const char *value = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(keys) && value == NULL; i++)
        value = get(keys[i], user_data);
    return value;
}

bool
coco_pod_initdata_save_value(const char *value, const CocoPodDir *dir, GError **error)
{
    if (g_file_set_contents_full(coco_pod_dir_initdata(dir), value, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT, 0600, error))
        return true;
    g_prefix_error(error, "save initdata: ");
    return false;
}

bool
coco_pod_initdata_save(const char *bundle, const CocoPodDir *dir, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CocoBundleConfig) config = coco_bundle_config_load(bundle, &failure);
    const char *value;

    if (config == NULL) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return true;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    value = coco_pod_initdata_find(coco_bundle_config_annotation, config);
    return value == NULL || coco_pod_initdata_save_value(value, dir, error);
}

const char *
coco_pod_initdata_file(const CocoPodDir *dir)
{
    const char *path = coco_pod_dir_initdata(dir);

    return access(path, F_OK) == 0 ? path : NULL;
}

bool
coco_pod_initdata_check(const CocoPodDir *dir, const char *value, GError **error)
{
    g_autofree char *saved = NULL;

    if (value == NULL)
        return true;
    if (g_file_get_contents(coco_pod_dir_initdata(dir), &saved, NULL, NULL) &&
        strcmp(saved, value) == 0)
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                "annotation '%s': %s, and a pod's VM has one initdata for its whole life", keys[0],
                saved == NULL ? "the pod was started without initdata"
                              : "the pod was started with another value");
    return false;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Annotations to kind, by table.
 */
#include "shim/pod/container-kind.h"

#include <string.h>

#include <gio/gio.h>

#include "shim/host/bundle-config.h"

static const struct {
    const char *type_key;
    const char *sandbox;
    const char *member;
    const char *pod_id_key;
} managers[] = {
    { "io.kubernetes.cri.container-type", "sandbox", "container", "io.kubernetes.cri.sandbox-id" },
    { "io.kubernetes.cri-o.ContainerType", "sandbox", "container",
      "io.kubernetes.cri-o.SandboxID" },
    { "io.kubernetes.docker.type", "podsandbox", "container", "io.kubernetes.sandbox.id" },
};

bool
coco_container_kind_detect(const char *id, CocoAnnotationFunc get, void *user_data,
                           CocoContainerKind *out_kind, const char **out_pod_id, GError **error)
{
    const char *group = get("io.containerd.runc.v2.group", user_data);

    for (size_t i = 0; i < G_N_ELEMENTS(managers); i++) {
        const char *type = get(managers[i].type_key, user_data);
        const char *pod_id = get(managers[i].pod_id_key, user_data);

        if (type == NULL)
            continue;
        if (strcmp(type, managers[i].sandbox) != 0 && strcmp(type, managers[i].member) != 0) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                        "annotation '%s': unknown container type '%s'", managers[i].type_key, type);
            return false;
        }
        *out_kind = strcmp(type, managers[i].sandbox) == 0 ? COCO_KIND_SANDBOX : COCO_KIND_MEMBER;
        *out_pod_id = pod_id != NULL && pod_id[0] != '\0' ? pod_id : id;
        return true;
    }
    *out_pod_id = group != NULL && group[0] != '\0' ? group : id;
    if (strcmp(*out_pod_id, id) == 0)
        *out_kind = group != NULL ? COCO_KIND_SANDBOX : COCO_KIND_SINGLE;
    else
        *out_kind = COCO_KIND_PEER;
    return true;
}

bool
coco_container_kind_of_bundle(const char *bundle, const char *id, CocoContainerKind *out_kind,
                              char **out_pod_id, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CocoBundleConfig) config = coco_bundle_config_load(bundle, &failure);
    const char *pod_id = NULL;

    if (config == NULL && g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        *out_kind = COCO_KIND_SANDBOX;
        *out_pod_id = g_strdup(id);
        return true;
    }
    if (config == NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    if (!coco_container_kind_detect(id, coco_bundle_config_annotation, config, out_kind, &pod_id,
                                    error))
        return false;
    *out_pod_id = g_strdup(pod_id);
    return true;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The file is the path, or a word (pod-netns.h).
 */
#include "shim/network/pod-netns.h"

#include <string.h>

#include <gio/gio.h>

#include "shim/host/bundle-config.h"

#define HOST_WORD "host"

static bool
save(const char *text, const CocoPodDir *dir, GError **error)
{
    return g_file_set_contents_full(coco_pod_dir_netns(dir), text, -1,
                                    G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

bool
coco_pod_netns_save_path(const char *path, const CocoPodDir *dir, GError **error)
{
    return save(path[0] != '\0' ? path : HOST_WORD, dir, error);
}

bool
coco_pod_netns_save(const char *bundle, const CocoPodDir *dir, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CocoBundleConfig) config = coco_bundle_config_load(bundle, &failure);
    const char *path;

    if (config == NULL) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return true;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    path = coco_bundle_config_netns(config);
    return save(path != NULL ? path : HOST_WORD, dir, error);
}

CocoNetnsKind
coco_pod_netns_load(const CocoPodDir *dir, char **out_path)
{
    g_autofree char *text = NULL;

    *out_path = NULL;
    if (!g_file_get_contents(coco_pod_dir_netns(dir), &text, NULL, NULL) || text[0] == '\0') {
        *out_path = g_strdup("");
        return COCO_NETNS_NEW;
    }
    if (strcmp(text, HOST_WORD) == 0) {
        *out_path = g_strdup("");
        return COCO_NETNS_HOST;
    }
    *out_path = g_steal_pointer(&text);
    return COCO_NETNS_PATH;
}

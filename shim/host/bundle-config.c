// SPDX-License-Identifier: Apache-2.0
/*
 * config.json, bounded (bundle-config.h).
 */
#include "shim/host/bundle-config.h"

#include <string.h>

#include <gio/gio.h>
#include <json-c/json.h>

#define CONFIG_MAX_BYTES (16 * 1024 * 1024)

struct _CocoBundleConfig {
    struct json_object *root;
    struct json_object *annotations; /* nullable, part of root */
};

static struct json_object *
parse(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    size_t length = 0;
    struct json_tokener *tokener;
    struct json_object *root;

    if (!g_file_get_contents(path, &text, &length, error))
        return NULL;
    if (length > CONFIG_MAX_BYTES) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "read '%s': larger than %d bytes",
                    path, CONFIG_MAX_BYTES);
        return NULL;
    }
    tokener = json_tokener_new();
    root = json_tokener_parse_ex(tokener, text, (int) length);
    if (!json_object_is_type(root, json_type_object)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "read '%s': not a JSON object: %s",
                    path, json_tokener_error_desc(json_tokener_get_error(tokener)));
        (void) json_object_put(root);
        root = NULL;
    }
    json_tokener_free(tokener);
    return root;
}

CocoBundleConfig *
coco_bundle_config_load(const char *bundle, GError **error)
{
    g_autofree char *path = g_build_filename(bundle, "config.json", NULL);
    struct json_object *root = parse(path, error);
    CocoBundleConfig *config;

    if (root == NULL)
        return NULL;
    config = g_new0(CocoBundleConfig, 1);
    config->root = root;
    config->annotations = json_object_object_get(root, "annotations");
    if (!json_object_is_type(config->annotations, json_type_object))
        config->annotations = NULL;
    return config;
}

void
coco_bundle_config_free(CocoBundleConfig *config)
{
    if (config == NULL)
        return;
    (void) json_object_put(config->root);
    g_free(config);
}

const char *
coco_bundle_config_annotation(const char *key, void *config)
{
    const CocoBundleConfig *self = config;
    struct json_object *value = json_object_object_get(self->annotations, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

void
coco_bundle_config_each_annotation(const CocoBundleConfig *config, CocoAnnotationEachFunc func,
                                   void *user_data)
{
    if (config->annotations == NULL)
        return;
    json_object_object_foreach(config->annotations, key, value)
    {
        if (json_object_is_type(value, json_type_string))
            func(key, json_object_get_string(value), user_data);
    }
}

static struct json_object *
member_of(const CocoBundleConfig *config, const char *part, const char *key)
{
    struct json_object *object = json_object_object_get(config->root, part);

    return json_object_is_type(object, json_type_object) ? json_object_object_get(object, key)
                                                         : NULL;
}

const char *
coco_bundle_config_cgroups_path(const CocoBundleConfig *config)
{
    struct json_object *value = member_of(config, "linux", "cgroupsPath");

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

int
coco_bundle_config_oom_score_adj(const CocoBundleConfig *config)
{
    struct json_object *value = member_of(config, "process", "oomScoreAdj");

    return json_object_is_type(value, json_type_int)
               ? (int) CLAMP(json_object_get_int64(value), -1000, 1000)
               : 0;
}

const char *
coco_bundle_config_netns(const CocoBundleConfig *config)
{
    struct json_object *list = member_of(config, "linux", "namespaces");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        struct json_object *type = json_object_object_get(one, "type");
        struct json_object *path = json_object_object_get(one, "path");

        if (json_object_is_type(type, json_type_string) &&
            strcmp(json_object_get_string(type), "network") == 0)
            return json_object_is_type(path, json_type_string) ? json_object_get_string(path) : "";
    }
    return NULL;
}

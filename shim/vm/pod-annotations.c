// SPDX-License-Identifier: Apache-2.0
/*
 * Collects, saves and compares (pod-annotations.h).
 */
#include "shim/vm/pod-annotations.h"

#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/host/bundle-config.h"
#include "shim/vm/pod-initdata.h"

#define PREFIX "io.katacontainers.config."
#define RUNTIME PREFIX "runtime."

struct _CocoPodAnnotations {
    GTree *values; /* name to text */
};

static gint
compare_names(gconstpointer a, gconstpointer b, gpointer user_data)
{
    return strcmp(a, b);
}

CocoPodAnnotations *
coco_pod_annotations_new(void)
{
    CocoPodAnnotations *annotations = g_new(CocoPodAnnotations, 1);

    annotations->values = g_tree_new_full(compare_names, NULL, g_free, g_free);
    return annotations;
}

void
coco_pod_annotations_free(CocoPodAnnotations *annotations)
{
    if (annotations == NULL)
        return;
    g_tree_unref(annotations->values);
    g_free(annotations);
}

void
coco_pod_annotations_add(const char *key, const char *value, void *annotations)
{
    const CocoPodAnnotations *self = annotations;

    if (!g_str_has_prefix(key, PREFIX) || coco_pod_initdata_is_key(key))
        return;
    if (g_str_has_prefix(key, RUNTIME))
        g_message("annotation '%s' sets nothing of this runtime", key);
    else
        g_tree_replace(self->values, g_strdup(key), g_strdup(value));
}

static gboolean
add_member(gpointer key, gpointer value, gpointer user_data)
{
    (void) json_object_object_add(user_data, key, json_object_new_string(value));
    return FALSE;
}

static bool
write_file(const CocoPodAnnotations *annotations, const CocoPodDir *dir, GError **error)
{
    json_object *object = json_object_new_object();
    bool written;

    g_tree_foreach(annotations->values, add_member, object);
    written =
        g_file_set_contents_full(coco_pod_dir_annotations(dir), json_object_to_json_string(object),
                                 -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
    (void) json_object_put(object);
    return written;
}

bool
coco_pod_annotations_save(const CocoPodAnnotations *annotations, const CocoPodDir *dir,
                          GError **error)
{
    if (g_tree_nnodes(annotations->values) == 0 || write_file(annotations, dir, error))
        return true;
    g_prefix_error(error, "save the pod's annotations: ");
    return false;
}

bool
coco_pod_annotations_save_bundle(const char *bundle, const CocoPodDir *dir, GError **error)
{
    g_autoptr(CocoPodAnnotations) annotations = coco_pod_annotations_new();
    g_autoptr(GError) failure = NULL;
    g_autoptr(CocoBundleConfig) config = coco_bundle_config_load(bundle, &failure);

    if (config == NULL && !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    if (config != NULL)
        coco_bundle_config_each_annotation(config, coco_pod_annotations_add, annotations);
    return coco_pod_annotations_save(annotations, dir, error);
}

typedef struct {
    json_object *saved; /* nullable */
    const char *other;  /* nullable: the first that differs */
} Comparison;

static gboolean
compare_saved(gpointer key, gpointer value, gpointer user_data)
{
    Comparison *comparison = user_data;
    json_object *saved = json_object_object_get(comparison->saved, key);

    if (saved == NULL || strcmp(json_object_get_string(saved), value) != 0)
        comparison->other = key;
    return comparison->other != NULL;
}

bool
coco_pod_annotations_check(const CocoPodAnnotations *annotations, const CocoPodDir *dir,
                           GError **error)
{
    g_autofree char *text = NULL;
    Comparison comparison = { 0 };

    if (g_tree_nnodes(annotations->values) == 0)
        return true;
    if (g_file_get_contents(coco_pod_dir_annotations(dir), &text, NULL, NULL))
        comparison.saved = json_tokener_parse(text);
    g_tree_foreach(annotations->values, compare_saved, &comparison);
    (void) json_object_put(comparison.saved);
    if (comparison.other == NULL)
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                "annotation '%s': the pod was started without it or with another value, and its VM "
                "stays as it is",
                comparison.other);
    return false;
}

const char *
coco_pod_annotations_file(const CocoPodDir *dir)
{
    const char *path = coco_pod_dir_annotations(dir);

    return access(path, F_OK) == 0 ? path : NULL;
}

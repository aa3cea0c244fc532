// SPDX-License-Identifier: Apache-2.0
/*
 * Names, saves and compares (pod-tee.h). Whether a word is a TEE is the launcher's to say; here it
 * only has to be one word that can stand on a command line and in a message.
 */
#include "shim/vm/pod-tee.h"

#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"

#define KEY "io.coco-runtime.tee"
#define PREFIX "containerd-shim-coco-"
#define SUFFIX "-v2"
#define WORD_MAX 16

/* sev-es before sev, whose name it begins with. */
static const char *const tees[] = { "none", "sev-es", "sev", "snp", "tdx", "se", "cca" };

char *
coco_pod_tee_word(const char *program)
{
    g_autofree char *name = g_path_get_basename(program);

    if (!g_str_has_prefix(name, PREFIX) || !g_str_has_suffix(name, SUFFIX) ||
        strlen(name) <= strlen(PREFIX) + strlen(SUFFIX))
        return NULL;
    return g_strndup(name + strlen(PREFIX), strlen(name) - strlen(PREFIX) - strlen(SUFFIX));
}

char *
coco_pod_tee_of_program(const char *program)
{
    g_autofree char *word = coco_pod_tee_word(program);

    for (size_t i = 0; word != NULL && i < G_N_ELEMENTS(tees); i++) {
        size_t len = strlen(tees[i]);

        if (strncmp(word, tees[i], len) == 0 && (word[len] == '\0' || word[len] == '-'))
            return g_strdup(tees[i]);
    }
    return g_steal_pointer(&word);
}

const char *
coco_pod_tee_find(CocoAnnotationFunc get, void *user_data)
{
    return get(KEY, user_data);
}

bool
coco_pod_tee_save(const char *bundle, const CocoPodDir *dir, GError **error)
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
    value = coco_pod_tee_find(coco_bundle_config_annotation, config);
    return value == NULL || coco_pod_tee_save_value(value, dir, error);
}

bool
coco_pod_tee_save_value(const char *value, const CocoPodDir *dir, GError **error)
{
    size_t len = strlen(value);

    if (len == 0 || len > WORD_MAX || value[0] == '-' ||
        strspn(value, "abcdefghijklmnopqrstuvwxyz-") != len) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "annotation '" KEY "': the value is not the name of a TEE");
        return false;
    }
    if (g_file_set_contents_full(coco_pod_dir_tee(dir), value, -1, G_FILE_SET_CONTENTS_CONSISTENT,
                                 0600, error))
        return true;
    g_prefix_error(error, "save annotation '" KEY "': ");
    return false;
}

bool
coco_pod_tee_load(const CocoPodDir *dir, char **out_tee, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *tee = NULL;

    if (!g_file_get_contents(coco_pod_dir_tee(dir), &tee, NULL, &failure) &&
        !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_propagate_prefixed_error(error, g_steal_pointer(&failure), "load annotation '" KEY "': ");
        return false;
    }
    *out_tee = g_steal_pointer(&tee);
    return true;
}

bool
coco_pod_tee_check(const CocoPodDir *dir, const char *value, GError **error)
{
    g_autofree char *saved = NULL;

    if (value == NULL)
        return true;
    if (!coco_pod_tee_load(dir, &saved, error))
        return false;
    if (g_strcmp0(saved, value) == 0)
        return true;
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                "annotation '" KEY "': %s, and a pod's VM has one TEE for its whole life",
                saved == NULL ? "the pod was started without it"
                              : "the pod was started with another value");
    return false;
}

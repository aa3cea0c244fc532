// SPDX-License-Identifier: Apache-2.0
/*
 * Writes state.json.
 */
#include "shim/host/state-file.h"

#include <json-c/json.h>

bool
coco_state_file_write(const char *path, const CocoStateFile *state, GError **error)
{
    struct json_object *object = json_object_new_object();
    const char *text;
    bool ok;

    (void) json_object_object_add(object, "id", json_object_new_string(state->id));
    (void) json_object_object_add(object, "namespace", json_object_new_string(state->ns));
    (void) json_object_object_add(object, "shim_pid", json_object_new_int(state->shim_pid));
    (void) json_object_object_add(object, "vm_pid", json_object_new_int(state->vm_pid));
    if (state->measurement != NULL)
        (void) json_object_object_add(object, "measurement",
                                      json_tokener_parse(state->measurement));
    text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY);
    ok = g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
    (void) json_object_put(object);
    return ok;
}

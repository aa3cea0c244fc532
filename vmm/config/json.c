// SPDX-License-Identifier: Apache-2.0
/*
 * json-c with the names and the mercy that this room wants (json.h).
 */
#include "vmm/config/json.h"

void
coco_json_add_string(json_object *object, const char *key, const char *value)
{
    (void) json_object_object_add(object, key, json_object_new_string(value));
}

void
coco_json_add_int(json_object *object, const char *key, gint64 value)
{
    (void) json_object_object_add(object, key, json_object_new_int64(value));
}

const char *
coco_json_string(json_object *object, const char *key)
{
    json_object *member = NULL;

    if (!json_object_object_get_ex(object, key, &member) ||
        !json_object_is_type(member, json_type_string))
        return NULL;
    return json_object_get_string(member);
}

gint64
coco_json_int(json_object *object, const char *key)
{
    json_object *member = NULL;

    return json_object_object_get_ex(object, key, &member) ? json_object_get_int64(member) : 0;
}

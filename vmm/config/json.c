// SPDX-License-Identifier: Apache-2.0
/*
 * json-c with the names and the mercy that this room wants (json.h).
 */
#include "vmm/config/json.h"

#include <string.h>

#include "vmm/config/vmm-error.h"

/* Of nested objects and lists. */
#define DEPTH_MAX 8

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

json_object *
coco_json_parse(const char *text, size_t len, GError **error)
{
    json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    g_autoptr(json_object) object =
        len < G_MAXINT ? json_tokener_parse_ex(tokener, text, (int) len) : NULL;
    size_t end = json_tokener_get_parse_end(tokener);
    bool whole = object != NULL && json_tokener_get_error(tokener) == json_tokener_success;

    json_tokener_free(tokener);
    while (whole && end < len && g_ascii_isspace(text[end]))
        end++;
    if (whole && end == len)
        return g_steal_pointer(&object);
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "not one JSON document");
    return NULL;
}

static bool
not_what(const char *key, const char *what, GError **error)
{
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "%s: not %s", key, what);
    return false;
}

/* NULL where it is not there or of another type. */
static json_object *
member(json_object *object, const char *key, json_type type)
{
    json_object *value = NULL;

    return json_object_is_type(object, json_type_object) &&
                   json_object_object_get_ex(object, key, &value) &&
                   json_object_is_type(value, type)
               ? value
               : NULL;
}

bool
coco_json_need_string(json_object *object, const char *key, const char **out_text, GError **error)
{
    json_object *value = member(object, key, json_type_string);
    const char *text = value != NULL ? json_object_get_string(value) : NULL;

    if (text == NULL || strlen(text) != (size_t) json_object_get_string_len(value))
        return not_what(key, "a text", error);
    *out_text = text;
    return true;
}

bool
coco_json_need_uint(json_object *object, const char *key, unsigned int min, unsigned int max,
                    unsigned int *out_number, GError **error)
{
    json_object *value = member(object, key, json_type_int);
    int64_t number = value != NULL ? json_object_get_int64(value) : -1;
    g_autofree char *what = NULL;

    if (number >= min && number <= max) {
        *out_number = (unsigned int) number;
        return true;
    }
    what = g_strdup_printf("a number from %u to %u", min, max);
    return not_what(key, what, error);
}

bool
coco_json_need_bool(json_object *object, const char *key, bool *out_flag, GError **error)
{
    json_object *value = member(object, key, json_type_boolean);

    if (value == NULL)
        return not_what(key, "true or false", error);
    *out_flag = json_object_get_boolean(value);
    return true;
}

bool
coco_json_need_object(json_object *object, const char *key, json_object **out_member,
                      GError **error)
{
    json_object *value = member(object, key, json_type_object);

    if (value == NULL)
        return not_what(key, "an object", error);
    *out_member = value;
    return true;
}

bool
coco_json_need_list(json_object *object, const char *key, size_t max, json_object **out_list,
                    GError **error)
{
    json_object *value = member(object, key, json_type_array);
    g_autofree char *what = NULL;

    if (value != NULL && json_object_array_length(value) <= max) {
        *out_list = value;
        return true;
    }
    what = g_strdup_printf("a list of at most %zu", max);
    return not_what(key, what, error);
}

bool
coco_json_need_word(json_object *object, const char *key, const char *const *words, int *out_word,
                    GError **error)
{
    json_object *value = member(object, key, json_type_string);
    g_autofree char *all = g_strjoinv(", ", (char **) (uintptr_t) words);
    g_autofree char *what = g_strconcat("one of ", all, NULL);

    for (int i = 0; value != NULL && words[i] != NULL; i++) {
        if (strcmp(json_object_get_string(value), words[i]) == 0) {
            *out_word = i;
            return true;
        }
    }
    return not_what(key, what, error);
}

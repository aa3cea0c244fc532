// SPDX-License-Identifier: Apache-2.0
/*
 * Members of JSON objects, written and read in one line.
 *
 * Ownership: strings that are read are lent for the life of the object.
 * Thread: any, one at a time for an object.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>
#include <json-c/json.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

void coco_json_add_string(json_object *object, const char *key, const char *value);
void coco_json_add_int(json_object *object, const char *key, gint64 value);

/* Readers that take an absent or mistyped member as NULL or 0. */
const char *coco_json_string(json_object *object, const char *key);
gint64 coco_json_int(json_object *object, const char *key);

/* One document and nothing behind it but white space (transfer full); NULL with an error. */
json_object *coco_json_parse(const char *text, size_t len, GError **error);

/* Readers of members that must be there and must be right: false with FAILED, "KEY: what it is
 * not". Outputs are written only on success. */
bool coco_json_need_string(json_object *object, const char *key, const char **out_text,
                           GError **error);
bool coco_json_need_uint(json_object *object, const char *key, unsigned int min, unsigned int max,
                         unsigned int *out_number, GError **error);
bool coco_json_need_bool(json_object *object, const char *key, bool *out_flag, GError **error);
bool coco_json_need_object(json_object *object, const char *key, json_object **out_member,
                           GError **error);
bool coco_json_need_list(json_object *object, const char *key, size_t max, json_object **out_list,
                         GError **error);
/* One of words, which NULL ends. */
bool coco_json_need_word(json_object *object, const char *key, const char *const *words,
                         int *out_word, GError **error);

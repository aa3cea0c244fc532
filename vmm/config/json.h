// SPDX-License-Identifier: Apache-2.0
/*
 * Members of JSON objects, written and read in one line.
 *
 * Ownership: strings that are read are lent for the life of the object.
 * Thread: any, one at a time for an object.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

void coco_json_add_string(json_object *object, const char *key, const char *value);
void coco_json_add_int(json_object *object, const char *key, gint64 value);

/* Readers that take an absent or mistyped member as NULL or 0. */
const char *coco_json_string(json_object *object, const char *key);
gint64 coco_json_int(json_object *object, const char *key);

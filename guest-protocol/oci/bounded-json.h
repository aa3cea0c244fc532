// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing of a JSON document from elsewhere: json-c, with what it lacks against hostile input. A
 * two-byte "{}" costs json-c half a kilobyte, so size, depth and number of values are bounded
 * (limits.h) before it sees them.
 *
 * Ownership: the result belongs to the caller: json_object_put(), or g_autoptr(json_object).
 * Thread: any.
 */
#pragma once

#include <stddef.h>

#include <glib.h>
#include <json-c/json.h>

#include "guest-protocol/proto/ttrpc-error.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

/* The object or array in json (not NUL-terminated), or NULL with error: COCO_TTRPC_ERROR,
 * INVALID_ARGUMENT. Strict: whole document, no comments, whole numbers fit 64 bits exactly. Strings
 * are UTF-8, NUL among them (as \u0000). */
json_object *coco_bounded_json_parse(const char *json, size_t length, GError **error);

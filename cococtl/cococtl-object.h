// SPDX-License-Identifier: Apache-2.0
/*
 * The result of a subcommand: one object, printed as JSON or as lines that are made of it.
 *
 * Ownership: objects are borrowed.
 * Thread: the main one.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <json-c/json.h>

/* Returns an exit code. */
int coco_ctl_print_object(const char *name, json_object *object, bool as_json);

/* Adds the bytes in hexadecimal. */
void coco_ctl_add_hex(json_object *object, const char *key, const void *bytes, size_t len);

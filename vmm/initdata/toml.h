// SPDX-License-Identifier: Apache-2.0
/*
 * A strict reader of the part of TOML 1.0 that initdata is written in: comments, [tables], bare and
 * quoted keys, and strings of all four forms. Everything else that TOML has (dotted keys, numbers,
 * dates, arrays, inline tables, arrays of tables) is an error that names it and its line, and so is
 * a key or table that comes twice: host and guest must never read one file in two ways.
 *
 * Facts: toml.io v1.0.0. The text is hostile; what is accepted fits the limits below.
 * Ownership: names and values are lent for the call of the function that gets them.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#define COCO_TOML_MAX_TEXT (8u << 20)
#define COCO_TOML_MAX_KEYS 256u
#define COCO_TOML_MAX_NAME 256u /* bytes of a key or a table, no control characters */

/* Gets each [table] header, with key and value NULL, and each `key = "value"`; table is "" above
 * the first header. False with error set ends the reading; the message gets "line N: " in front. */
typedef bool (*CocoTomlFunc)(const char *table, const char *key, const char *value, void *user_data,
                             GError **error);

/* Calls func for each header and key in the order of the text. The error is BAD_CONFIG and begins
 * with "line N: ". */
bool coco_toml_parse(const char *text, size_t len, CocoTomlFunc func, void *user_data,
                     GError **error);

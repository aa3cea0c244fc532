// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as people and protocols write them: hexadecimal, and base64 of the standard alphabet with
 * its padding (RFC 4648, section 4).
 *
 * Strict: a text means its bytes only when it is, but for the case of hexadecimal digits, what an
 * encoder makes of them. GLib's decoder skips what it does not know.
 *
 * Ownership: results are the caller's.
 * Thread: any.
 */
#pragma once

#include <stddef.h>

#include <glib.h>

/* Lower case (transfer full). */
char *coco_hex_of(const void *bytes, size_t len);

/* NULL when text is not that (transfer full). */
GBytes *coco_bytes_of_hex(const char *text);
GBytes *coco_bytes_of_base64(const char *text);

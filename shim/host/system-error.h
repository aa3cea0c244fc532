// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel refused, as a GError: "make directory '/run/x': No space left on device".
 *
 * Ownership: strings are borrowed.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* Sets error (domain G_IO_ERROR) from errno. Always false, so that a caller can return it; errno is
 * kept. */
bool coco_system_error(GError **error, const char *verb, const char *object);

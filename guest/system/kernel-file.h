// SPDX-License-Identifier: Apache-2.0
/*
 * Writes a text to a file of the kernel's (/proc, /sys, cgroups): in one write, nothing is created.
 *
 * Ownership: nothing is kept. Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* False with INTERNAL; errno is set, too. */
bool coco_kernel_file_write(const char *path, const char *text, GError **error);

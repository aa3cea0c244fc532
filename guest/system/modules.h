// SPDX-License-Identifier: Apache-2.0
/*
 * Loading kernel modules: those of the guest image's list at boot, and single ones by name on a
 * host's wish. No dependency is resolved here: the image builder writes the list in load order,
 * uncompressed files.
 *
 * Ownership: nothing to own.
 * Thread: any; loading blocks until the module's init has run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#define COCO_MODULES_LIST "/lib/modules/coco.list"

/* One path a line, '#' comments. A module that finds no hardware, is loaded already or is built in
 * is no error; others are logged, since the guest may do without. No list is fine. */
void coco_modules_load_list(const char *list_path);

/* By name ("virtio_net"), which must be in the list's files; INVALID_ARGUMENT or NOT_FOUND
 * otherwise. */
bool coco_modules_load_named(const char *name, char *const *parameters, size_t n_parameters,
                             GError **error);

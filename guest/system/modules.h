// SPDX-License-Identifier: Apache-2.0
/*
 * Loading kernel modules: those of the guest image's lists, single ones by name on a host's wish,
 * and what the kernel is asked for (modprobe.h). The image builder writes the lists in load order,
 * uncompressed files. A file is in the guest's memory like all of the initrd, so it is removed when
 * its module is loaded.
 *
 * A module's init asks the devices that it finds (a disk is read for its partitions), and those are
 * the host's: once there is somebody to serve, only a child loads.
 *
 * Ownership: nothing to own. Thread: any; loading blocks until the module's init has run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "guest/system/child-work.h"

/* What is loaded on demand: module-archive.h. */
#define COCO_MODULES_DEMAND "/lib/modules/demand"

/* What the agent needs to be talked to, and what the rest of the guest needs. */
#define COCO_MODULES_LIST "/lib/modules/coco.list"
#define COCO_MODULES_LATER_LIST "/lib/modules/later.list"

/* One path a line, '#' comments. A module that finds no hardware, is loaded already or is built in
 * is no error; others are logged, since the guest may do without. No list is fine. */
void coco_modules_load_list(const char *list_path);

/* The same in a child; func runs when it is over. list_path: borrowed until then. */
void coco_modules_queue_list(CocoChildQueue *queue, const char *list_path, void (*func)(void));

/* By name ("virtio_net"), which must be in one of the two lists or on demand; INVALID_ARGUMENT or
 * NOT_FOUND otherwise. */
bool coco_modules_load_named(const char *name, char *const *parameters, size_t n_parameters,
                             GError **error);

/* Whether the image has something on demand by this name or alias. */
bool coco_modules_are_demanded(const char *wanted);
/* By a name or an alias of what is on demand, with all that it depends on; parameters are for that
 * of this name alone. NOT_FOUND: the image has none. */
bool coco_modules_load_demanded(const char *wanted, const char *parameters, GError **error);

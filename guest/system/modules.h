// SPDX-License-Identifier: Apache-2.0
/*
 * Loading kernel modules: those of the guest image's list at boot, and single ones by name on a
 * host's wish. No dependency is resolved here: the image builder writes the list in load order,
 * uncompressed files. A file is in the guest's memory like all of the initrd, so it is removed when
 * its module is loaded.
 *
 * Ownership: a queue is its caller's. Thread: any; loading blocks until the module's init has run.
 * A queue belongs to the thread-default main context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* What the agent needs to be talked to, and what the rest of the guest needs. */
#define COCO_MODULES_LIST "/lib/modules/coco.list"
#define COCO_MODULES_LATER_LIST "/lib/modules/later.list"

typedef struct _CocoModuleQueue CocoModuleQueue;

/* One path a line, '#' comments. A module that finds no hardware, is loaded already or is built in
 * is no error; others are logged, since the guest may do without. No list is fine. */
void coco_modules_load_list(const char *list_path);

/* Loads a list when there is nothing else to do, one module at a time. func runs once, after the
 * last. */
CocoModuleQueue *coco_module_queue_new(const char *list_path, void (*func)(void));
/* Loads what is left of it now; nullable. For whoever needs the modules. */
void coco_module_queue_finish(CocoModuleQueue *queue);
void coco_module_queue_free(CocoModuleQueue *queue);

/* By name ("virtio_net"), which must be in one of the two lists; INVALID_ARGUMENT or NOT_FOUND
 * otherwise. */
bool coco_modules_load_named(const char *name, char *const *parameters, size_t n_parameters,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoModuleQueue, coco_module_queue_free)

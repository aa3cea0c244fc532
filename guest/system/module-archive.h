// SPDX-License-Identifier: Apache-2.0
/*
 * The modules of the guest image that are loaded when somebody asks for them: packed in one file,
 * with an index of names, dependencies and aliases (guest/image/build writes both). What is not
 * packed is a file of its own, of another list.
 *
 * Ownership: as each function says.
 * Thread: any; reading blocks.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef struct _CocoModuleArchive CocoModuleArchive;

/* FILE.xz and FILE.index. NULL with NOT_FOUND where there is no archive. */
CocoModuleArchive *coco_module_archive_open(const char *file, GError **error);
void coco_module_archive_free(CocoModuleArchive *archive);

/* The names of the modules that a name or an alias stands for, each after those that it depends on;
 * "-" is as good as "_". NULL: it stands for none. (transfer full), the names (transfer none). */
GPtrArray *coco_module_archive_resolve(const CocoModuleArchive *archive, const char *wanted);

/* False: the module is a file of its own, NAME.ko beside the archive. */
bool coco_module_archive_is_packed(const CocoModuleArchive *archive, const char *name);
/* (transfer full); NULL with error set, also for a name that was not resolved. */
GBytes *coco_module_archive_read(const CocoModuleArchive *archive, const char *name,
                                 GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoModuleArchive, coco_module_archive_free)

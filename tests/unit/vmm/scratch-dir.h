// SPDX-License-Identifier: Apache-2.0
/*
 * A directory that is removed with all that is in it at the end of its scope, and files in it.
 *
 * Ownership: the string is owned by its scope.
 * Thread: one.
 */
#pragma once

#include <glib.h>

typedef char ScratchDir;

/* A fresh directory below $TMPDIR (transfer full). */
ScratchDir *scratch_dir_new(void);
void scratch_dir_remove(ScratchDir *dir);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScratchDir, scratch_dir_remove)

/* Writes dir/name, with the directories on the way, and returns its path (transfer full). */
char *scratch_dir_write(const ScratchDir *dir, const char *name, const char *text, size_t len);

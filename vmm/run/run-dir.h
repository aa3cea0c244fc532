// SPDX-License-Identifier: Apache-2.0
/*
 * The names of what the launcher owns in the run directory of a pod, and its making and removal.
 *
 *     RUN/vm/            root of the embedded libvirt driver, and:
 *     RUN/vm/domain.xml  RUN/vm/etc/qemu.conf  RUN/vm/virtiofsd  RUN/vm/state.json
 * RUN/uid                   whose user QEMU runs as (uid-pool.h)
 * RUN/vm/worker.log RUN/agent.sock     the agent's channel     RUN/console.log, RUN/console.sock
 *
 * Ownership: a CocoRunDir owns its path and the descriptor that holds the lock.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef struct _CocoRunDir CocoRunDir;

/* Checks that path is absolute and short enough for the sockets below it; touches nothing (transfer
 * full). */
CocoRunDir *coco_run_dir_new(const char *path, GError **error);
void coco_run_dir_free(CocoRunDir *run_dir); /* nullable; drops the lock */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoRunDir, coco_run_dir_free)

const char *coco_run_dir_path(const CocoRunDir *run_dir);

/* RUN/name (transfer full). */
char *coco_run_dir_file(const CocoRunDir *run_dir, const char *name);

/* Makes the directory (0711) where needed and locks it for this process; BUSY when another launch
 * holds it. */
bool coco_run_dir_claim(CocoRunDir *run_dir, GError **error);

/* Makes RUN/vm afresh; what an earlier launch left there is removed. */
bool coco_run_dir_prepare(CocoRunDir *run_dir, GError **error);

/* Removes all that the launcher owns, and the directory itself when nothing else is in it. */
bool coco_run_dir_remove(const CocoRunDir *run_dir, GError **error);

/* Writes a small file below the run directory, whole or not at all. */
bool coco_run_dir_write(const CocoRunDir *run_dir, const char *name, const char *text,
                        GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * Waits for every child of this process, those that were given to it by their parent's death
 * included, and tells whoever asked for a pid.
 *
 * A container's process becomes our child when the runtime that made it exits, and may have died
 * before we have read its pid. So while anybody holds the reaper, exits that nobody asked for are
 * kept, and a watch that comes after the exit is still told.
 *
 * Ownership: the reaper owns its descriptor and sources; callers keep their user_data alive until
 * the function ran or the watch was removed. Thread: that of the main context at coco_reaper_new().
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _CocoReaper CocoReaper;

/* Runs once; wait_status is for WIFEXITED() and friends. */
typedef void (*CocoReaperFunc)(pid_t pid, int wait_status, void *user_data);

/* Takes SIGCHLD over in the whole process and makes this process adopt orphans. One at a time in a
 * process. */
CocoReaper *coco_reaper_new(GError **error);
void coco_reaper_free(CocoReaper *reaper);

/* func never runs before this has returned. One watch for a pid. */
void coco_reaper_watch(CocoReaper *reaper, pid_t pid, CocoReaperFunc func, void *user_data);
/* The function will not run any more; a pid nobody watches is fine. Nor is an exit that was kept of
 * it told any more: a number that was just given to a new child is not the old one's. */
void coco_reaper_unwatch(CocoReaper *reaper, pid_t pid);

/* Keep exits of unknown pids until the last holder releases. */
void coco_reaper_hold(CocoReaper *reaper);
void coco_reaper_release(CocoReaper *reaper);

/* As a shell tells it: the exit code, or 128 + the signal. */
int coco_reaper_exit_code(int wait_status);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoReaper, coco_reaper_free)

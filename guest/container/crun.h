// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the OCI runtime (crun) for one verb and tells how it ended. Nothing waits: the caller's
 * function runs when the child was reaped.
 *
 * The runtime's own messages go to a pipe (fd 3), never to its stderr, because stderr is the
 * container's. What the runtime is to read (a process, resources) is in a memory file (fd 4), so no
 * file has to be named or removed.
 *
 * Ownership: stdio descriptors are borrowed for the call.
 * Thread: that of the reaper.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest/system/layout.h"
#include "guest/system/reaper.h"

/* The path under which the runtime finds `input`. */
#define COCO_CRUN_INPUT "/proc/self/fd/4"

typedef struct _CocoCrun CocoCrun;
typedef struct _CocoCrunRun CocoCrunRun; /* one verb in flight */

/* error: NULL when the runtime exited with 0 (transfer none). Runs once, never before
 * coco_crun_run() returned. The reaper is held for its whole length, so a pid read here can still
 * be watched. */
typedef void (*CocoCrunDone)(const GError *error, void *user_data);

/* program: nullable, /bin/crun by default. */
CocoCrun *coco_crun_new(CocoReaper *reaper, const CocoLayout *layout, const char *program);
void coco_crun_free(CocoCrun *crun);

/* args: verb, options and id, NULL-terminated. stdio: three descriptors, -1 for /dev/null; nullable
 * for all three. input: nullable text. The run (transfer none) is gone when done has run; NULL with
 * error set when it could not be started, and done does not run then. */
CocoCrunRun *coco_crun_run(CocoCrun *crun, const char *const *args, const int *stdio,
                           const char *input, CocoCrunDone done, void *user_data, GError **error);
/* Kills it: done gets CANCELLED. */
void coco_crun_cancel(CocoCrunRun *run);

/* What `crun start` does, without running it (some 100 ms under TCG): lets the init that waits at
 * its fifo go. False when there is no such fifo; then the verb has to be run. */
bool coco_crun_release(const CocoCrun *crun, const char *id);

/* Takes away what the runtime keeps about a container whose processes have all gone, as `crun
 * delete` does. */
void coco_crun_forget(const CocoCrun *crun, const char *id);

/* The one line of a runtime's log that says what went wrong (last "error" line without time stamp);
 * g_free(). NULL when there is none. */
char *coco_crun_error_text(const char *log);

/* For an error of `create` or `exec`: true if it says that the command itself cannot be run, which
 * callers of Start want to hear as runc says it; out_text (transfer full) is then that text. */
bool coco_crun_is_command_error(const char *text, const char *command, char **out_text);

/* For an error of `exec`: true if it is what the runtime says, or does not say, when the container
 * ends meanwhile. Its end may not be known here yet. */
bool coco_crun_may_be_the_end(const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoCrun, coco_crun_free)

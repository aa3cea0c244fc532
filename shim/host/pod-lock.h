// SPDX-License-Identifier: Apache-2.0
/*
 * Who serves a run directory holds the lock on RUN/served for as long as it lives: `start` takes it
 * before there is anything to find, and hands it to the server. So a run directory whose lock is
 * free is one that nobody will ever end, and whoever has the lock then is the only one who does. A
 * socket would tell less: it can be removed under a server that runs.
 *
 * A directory without the file is not told to be left: it is being made, or an older version's.
 *
 * Ownership: each descriptor is the caller's; the lock goes with the last copy of it.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/pod-dir.h"

/* Makes the file, locked from the first: -1 with error. */
int coco_pod_lock_make(const CocoPodDir *dir, GError **error);

/* Of a directory of ours that is there: -1 with errno, EWOULDBLOCK when somebody has the lock. */
int coco_pod_lock_try(const CocoPodDir *dir);

/* The same, and waits for who has it. */
int coco_pod_lock_wait(const CocoPodDir *dir);

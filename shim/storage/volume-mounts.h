// SPDX-License-Identifier: Apache-2.0
/*
 * Does what a volume plan says, in the mount namespace it is called in. Every step may block for
 * ever, so this runs in a child process (forked-work.h); it changes the working directory.
 *
 * Ownership: all arguments are borrowed. What was mounted is undone by coco_share_remove().
 * Thread: the only one of a child.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/forked-work.h"
#include "shim/storage/volume-plan.h"

/* mounts: the directory of coco_share_prepare(). report: nullable. */
bool coco_volume_mounts_make(const CocoVolumePlan *plan, const char *mounts,
                             CocoForkedReport *report, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * The measurement of a VM like one that was started before, kept beside the copies of its boot
 * files (boot-store.h).
 *
 * The key is a digest of all that a measurement comes from: the VM as it was decided, but for its
 * disks and its share, which no TEE measures at a launch; what of the initdata is in the evidence;
 * the blobs; the names of the stored images; and this program.
 *
 * Ownership: strings and values are the caller's.
 * Thread: one.
 */
#pragma once

#include <json-c/json.h>

#include "vmm/launch/launch-plan.h"

/* NULL when an image is not from the store: nothing says what is in it (transfer full). */
char *coco_measure_cache_key(const CocoLaunchPlan *plan);

/* {"launch_digest":"hex",…}, or NULL (transfer full). store: the path. */
json_object *coco_measure_cache_get(const char *store, const char *key);

/* What cannot be kept is computed again. */
void coco_measure_cache_put(const char *store, const char *key, json_object *values);

// SPDX-License-Identifier: Apache-2.0
/*
 * Which network namespace a pod has. `start` finds it in the bundle, or CreateSandbox brings it; it
 * is a file of the run directory, because `delete` must undo there what a shim that was killed has
 * left (tap.h).
 *
 * Ownership: results belong to the caller.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/pod-dir.h"

typedef enum {
    COCO_NETNS_NEW,  /* one that a runtime would make: nothing is in it, and nothing comes */
    COCO_NETNS_PATH, /* one that somebody has made for the pod */
    COCO_NETNS_HOST, /* none of its own */
} CocoNetnsKind;

/* Saves what the bundle's config.json says; a bundle without one says nothing. */
bool coco_pod_netns_save(const char *bundle, const CocoPodDir *dir, GError **error);

/* Saves the one of a sandbox of the Sandbox API; "" is the host's. */
bool coco_pod_netns_save_path(const char *path, const CocoPodDir *dir, GError **error);

/* What was saved; COCO_NETNS_NEW when nothing was. out_path: "" unless it is COCO_NETNS_PATH. */
CocoNetnsKind coco_pod_netns_load(const CocoPodDir *dir, char **out_path);

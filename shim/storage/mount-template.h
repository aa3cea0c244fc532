// SPDX-License-Identifier: Apache-2.0
/*
 * The words in braces by which one of containerd's mounts names the mount points of those before it
 * (type format/…): "{{ mount 0 }}/upper", "{{ overlay 1 3 }}" for three of them with colons
 * between.
 *
 * Source: containerd core/mount/manager. Its source and target are not used by any snapshotter.
 * Ownership: nothing is kept.
 * Thread: any.
 */
#pragma once

#include <stddef.h>

#include <glib.h>

/* The text with each pair of braces replaced (transfer full); NULL with error set
 * (COCO_TTRPC_INVALID_ARGUMENT) when one says something else or names a mount that is not there. */
char *coco_mount_template_expand(const char *text, const char *const *mount_points, size_t n,
                                 GError **error);

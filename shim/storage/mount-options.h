// SPDX-License-Identifier: Apache-2.0
/*
 * fstab-like mount options ("ro", "rbind", "lowerdir=…") as mount(2) wants them: flags,
 * propagation, data.
 *
 * Source: mount(2), mount(8); the names are those that containerd's mount package knows.
 * Ownership: coco_mount_options_clear() frees data.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

typedef struct {
    unsigned long flags;       /* MS_RDONLY, MS_BIND, … */
    unsigned long propagation; /* MS_PRIVATE, …, with MS_REC; 0 for none */
    char *data; /* what the file system itself gets, comma separated; "" for nothing */
} CocoMountOptions;

void coco_mount_options_parse(char *const *options, size_t n_options,
                              CocoMountOptions *out_options);
void coco_mount_options_clear(CocoMountOptions *options);

/* Mounts source on point, an open directory or file (O_PATH), on top of what is mounted there. A
 * bind mount has all its options from the first moment. Changes the working directory and back. */
bool coco_mount(const char *type, const char *source, int point, const CocoMountOptions *options,
                GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoMountOptions, coco_mount_options_clear)

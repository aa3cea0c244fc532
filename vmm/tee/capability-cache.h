// SPDX-License-Identifier: Apache-2.0
/*
 * What libvirt learnt about QEMU, kept once per host and shared by the roots of all pods.
 *
 * libvirt asks QEMU for its capabilities when its root has none cached: 0.6 to 3.7 s. So each root
 * is seeded with a copy of the host's, and a fresh answer is published by rename(): libvirt itself
 * writes the file in place, which readers would see half-written if the directory were shared.
 * libvirt checks that a cached answer still fits (binary, libvirt and kernel versions, microcode),
 * so a stale one costs time and does no harm.
 *
 * Ownership: a claim owns its lock descriptor.
 * Thread: one; taking the lock blocks, so this runs in the worker that the launcher watches.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/posix/fd.h"

/*
 * Seeds run_dir/vm/cache for emulator. When the host has nothing yet, *out_lock is a held lock
 * (takes: the caller closes it after publishing), so that of many first pods one asks QEMU and the
 * others use its answer; else -1.
 */
bool coco_capability_cache_seed(const char *cache_dir, const char *run_dir, const char *emulator,
                                int *out_lock, GError **error);

/* Publishes what libvirt left in run_dir when it differs from the host's. */
bool coco_capability_cache_publish(const char *cache_dir, const char *run_dir, const char *emulator,
                                   GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * A device of the TEE for one VM's QEMU: a second node of it, which is QEMU's, in the place of the
 * first. The host's node stays root's. A group that all QEMUs have must not be let to /dev/sev:
 * with it a guest that broke out of its QEMU, one without a TEE too, may send commands to the
 * platform's firmware, such as one that changes the TCB of all later reports.
 *
 * Ownership: strings are borrowed.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/* The process has a mount namespace of its own: only it and what it starts see the node. run_dir
 * has a directory vm/. */
bool coco_private_device_make(const char *run_dir, const char *device, uid_t owner, GError **error);

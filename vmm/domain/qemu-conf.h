// SPDX-License-Identifier: Apache-2.0
/*
 * The qemu.conf of an embedded libvirt root. A pure function.
 *
 * Ownership: the text is the caller's.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/* user: the QEMU user's name; group: the gid that QEMU runs with; hugetlbfs: its memory is a file
 * on that file system (transfer full). */
char *coco_qemu_conf(const char *user, gid_t group, bool hugetlbfs);

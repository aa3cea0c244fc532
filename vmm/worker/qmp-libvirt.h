// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU's own commands through libvirt's monitor, with QEMU's own word on what went wrong.
 *
 * Ownership: descriptors are borrowed.
 * Thread: one; blocks.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

/* text: one command of QMP. fd: given along; -1 for none. */
bool coco_qmp_command(virDomain *domain, const char *what, const char *text, int fd,
                      GError **error);

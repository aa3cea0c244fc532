// SPDX-License-Identifier: Apache-2.0
/*
 * libvirt's errors made ours (libvirt-error.h).
 */
#include "vmm/worker/libvirt-error.h"

#include <libvirt/virterror.h>

#include "vmm/config/vmm-error.h"

bool
coco_libvirt_error(GError **error, const char *what)
{
    const virError *last = virGetLastError();

    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "%s: %s", what,
                last != NULL && last->message != NULL ? last->message : "libvirt gave no reason");
    return false;
}

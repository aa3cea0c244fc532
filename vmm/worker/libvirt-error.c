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

    return coco_vmm_failed(error, "%s: %s", what,
                           last != NULL && last->message != NULL ? last->message
                                                                 : "libvirt gave no reason");
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The one place where libvirt's types get their scope and its thread-local errors become GErrors.
 *
 * Ownership: scopes drop one reference.
 * Thread: the conversion must run in the thread of the failed call, right after it.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>
#include <libvirt/libvirt.h>

static inline void
coco_domain_unref(virDomain *domain)
{
    (void) virDomainFree(domain);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, coco_domain_unref)

static inline void
coco_connect_unref(virConnect *connection)
{
    (void) virConnectClose(connection);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, coco_connect_unref)

/* Sets FAILED with "what: libvirt's message". Always returns false. */
bool coco_libvirt_error(GError **error, const char *what);

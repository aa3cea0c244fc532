// SPDX-License-Identifier: Apache-2.0
/*
 * A VM is never less protected than was asked for. Three reports must agree with the config, and
 * none of them is taken from another one:
 *
 *   the probe      libvirt's domain capabilities name the launch security type
 *   the XML        the domain that is handed to libvirt has it, with the policy
 *   the started    libvirt's domain, its launch-security info and QEMU's own object have it too
 *
 * Here is the reading and comparing; asking libvirt is coco-vmm-libvirt's.
 *
 * Ownership: an expectation has static strings.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "vmm/config/config.h"

typedef struct {
    const char *type;   /* libvirt's launchSecurity type; NULL: there must be none */
    const char *object; /* QEMU's type of the object */
    bool has_policy;
    guint64 policy;
} CocoLaunchSecurity;

/* What this config asks for; type is NULL where that is no protection. */
void coco_launch_security_of(const CocoVmConfig *config, CocoLaunchSecurity *out_expected);

/* The error is NO_TEE; each names which report disagrees, and how. */
bool coco_launch_security_check_capabilities(const CocoLaunchSecurity *expected, const char *xml,
                                             GError **error);

/* what: "the domain XML" or "the started domain". */
bool coco_launch_security_check_domain(const CocoLaunchSecurity *expected, const char *what,
                                       const char *xml, GError **error);

/* policy: what virDomainGetLaunchSecurityInfo() told; has_policy false: it told none. */
bool coco_launch_security_check_info(const CocoLaunchSecurity *expected, bool has_policy,
                                     guint64 policy, GError **error);

/* The answers of QMP qom-get: of the machine's confidential-guest-support, and of its type. */
bool coco_launch_security_check_qemu(const CocoLaunchSecurity *expected, const char *support_reply,
                                     const char *type_reply, GError **error);

/* The path in an answer of qom-get, such as "/objects/lsec0"; NULL for none (transfer full). */
char *coco_launch_security_qom_string(const char *reply);

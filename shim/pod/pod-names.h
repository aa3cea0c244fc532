// SPDX-License-Identifier: Apache-2.0
/*
 * The names of a pod: its hostname and how it looks up others. With a pause container CRI writes
 * /etc/hosts, /etc/hostname and /etc/resolv.conf on the host and binds them into each container;
 * with the Sandbox service it leaves that to the shim, and says in PodSandboxConfig what is to be
 * in them.
 *
 * Source: containerd 2.3 internal/cri/server/podsandbox/sandbox_run_linux.go (contents).
 * Ownership: as each says.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/proto/sandbox-pb.h"

/* The pod's hostname; the host's when the pod has none (it then shares the host's network).
 * g_free(). */
char *coco_pod_names_hostname(const Runtime__V1__PodSandboxConfig *config);

/* The lines of resolv.conf; none when the pod says nothing of DNS. g_strfreev(). */
char **coco_pod_names_dns(const Runtime__V1__PodSandboxConfig *config);

/* The pod's sysctls: names and values in turn. g_strfreev(). */
char **coco_pod_names_sysctls(const Runtime__V1__PodSandboxConfig *config);

/* Writes the three files into the directory, which it makes. Like CRI: hosts is the host's, and
 * so is resolv.conf when the pod says nothing of DNS. */
bool coco_pod_names_write(const char *directory, const Runtime__V1__PodSandboxConfig *config,
                          GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a container's OCI spec, as a host sent it, into one for this guest: what names things of
 * the host (device rules, cpusets, cgroup parents, security labels), and what the runtime would do
 * outside the container (hooks, annotations), is dropped; what the guest decides is set.
 *
 * Ownership: the spec is changed in place and stays the caller's; all its parts must be from
 * malloc. Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

typedef struct {
    const char *base;          /* the root file system must be below this */
    const char *cgroup_path;   /* "/pod/ctr-ID" */
    const char *hostname;      /* nullable: the pod's, where the spec gives none */
    const char *ipc_namespace; /* nullable paths of the pod's shared namespaces */
    const char *uts_namespace;
    const char *pid_namespace; /* nullable: the path of the pod's, instead of a new one */
} CocoSpecSetting;

/* False with INVALID_ARGUMENT when it cannot be run: no process, no args, no root, root elsewhere.
 */
bool coco_spec_adapt(Grpc__Spec *spec, const CocoSpecSetting *setting, GError **error);

/* The same checks and drops for the process of an exec. */
bool coco_spec_adapt_process(Grpc__Process *process, GError **error);

/* And for resources of an update. */
void coco_spec_adapt_resources(Grpc__LinuxResources *resources);

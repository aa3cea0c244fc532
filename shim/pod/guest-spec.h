// SPDX-License-Identifier: Apache-2.0
/*
 * Turns the OCI spec that containerd wrote for the host into the one that is sent to the guest:
 * what names host things is dropped or translated, as Kata's runtimes do, so that stock agents and
 * policies understand it.
 *
 * Source: Kata src/runtime/virtcontainers/kata_agent.go (constrainGRPCSpec).
 * Ownership: the spec is changed in place.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"
#include "shim/pod/container-kind.h"
#include "shim/storage/volume-plan.h"

typedef struct {
    const char *id;
    const char *bundle;
    CocoVolumePlan *volumes; /* gets the bind mounts of the spec */
    const char *root;        /* guest path of the root file system */
    const char *etc; /* host directory with files for /etc, where the spec has none; nullable */
    char *const *sysctls; /* of the pod, names and values in turn; nullable */
    CocoContainerKind kind;
} CocoGuestSpecContext;

/* Plans the bind mounts of the spec and points everything at guest paths. out_pidns: the container
 * shares the pod's PID namespace. out_shares: set when something is planned, else left alone. */
bool coco_guest_spec_adapt(Grpc__Spec *spec, const CocoGuestSpecContext *context, bool *out_pidns,
                           bool *out_shares, GError **error);

/* A container's annotation, NULL if absent. (transfer none) user_data: Grpc__Spec. */
const char *coco_guest_spec_annotation(const char *key, void *user_data);

/* What of an exec's process does not carry over to the guest. */
void coco_guest_process_adapt(Grpc__Process *process);

/* Drops what does not carry over to the guest. */
void coco_guest_resources_adapt(Grpc__LinuxResources *resources);

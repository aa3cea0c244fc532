// SPDX-License-Identifier: Apache-2.0
/*
 * What a container is to its pod, by the annotations that each manager puts on it:
 * SINGLE (ctr, nerdctl: the VM is for it alone), SANDBOX (the pod's first, "pause"), MEMBER
 * (another one of the pod, nothing without its sandbox), PEER (of a group that says no more than
 * that: the first one of it that comes makes the VM). The pod id groups them into one VM and one
 * shim.
 *
 * Source: containerd CRI (io.kubernetes.cri.*), CRI-O (io.kubernetes.cri-o.*), dockershim;
 * containerd's runc shim for io.containerd.runc.v2.group. Ownership: see each function. Thread:
 * any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/bundle-config.h"

typedef enum {
    COCO_KIND_SINGLE,
    COCO_KIND_SANDBOX,
    COCO_KIND_MEMBER,
    COCO_KIND_PEER,
    COCO_N_KINDS,
} CocoContainerKind;

/* out_pod_id: (transfer none), what get returned, or id itself for a single container. A
 * container-type we do not know is an error (G_IO_ERROR_INVALID_DATA): treating it as single would
 * give it a VM of its own by mistake. */
bool coco_container_kind_detect(const char *id, CocoAnnotationFunc get, void *user_data,
                                CocoContainerKind *out_kind, const char **out_pod_id,
                                GError **error);

/* The same from a bundle's config.json; a bundle without one is a sandbox of the Sandbox API, which
 * starts a shim before there is a spec. out_pod_id: g_free(). */
bool coco_container_kind_of_bundle(const char *bundle, const char *id, CocoContainerKind *out_kind,
                                   char **out_pod_id, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * What `auto` means on this host: the accelerator and the transport, each with the reason for the
 * choice.
 *
 * Ownership: the reasons belong to the choice; coco_host_choice_clear() frees them.
 * Thread: any; opens and closes device nodes, no other side effect.
 */
#pragma once

#include "vmm/config/config.h"

/* Where to look; tests point these at files of their own. */
typedef struct {
    const char *kvm;
    const char *vhost_vsock;
    const char *sys_module;
} CocoHostPaths;

typedef struct {
    CocoAccel accel;         /* never AUTO */
    CocoTransport transport; /* never AUTO */
    char *accel_reason;
    char *transport_reason;
} CocoHostChoice;

extern const CocoHostPaths coco_host_paths;

/* Fills *out_choice; fails when the config insists on what the host does not have. */
bool coco_host_choose(const CocoVmConfig *config, const CocoHostPaths *paths,
                      CocoHostChoice *out_choice, GError **error);

void coco_host_choice_clear(CocoHostChoice *choice);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoHostChoice, coco_host_choice_clear)

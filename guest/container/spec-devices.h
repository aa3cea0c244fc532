// SPDX-License-Identifier: Apache-2.0
/*
 * The device rules of a container: nothing, the devices that every container has, and those its
 * spec lists. A host's own rules name numbers of the host and are dropped; only its "all devices",
 * which is how it says "privileged", is taken over, as Kata's agent does: whether a container may
 * have that is for the policy.
 *
 * Ownership: messages are changed in place; their parts are from malloc. Thread: any.
 */
#pragma once

#include "guest-protocol/proto/agent-pb.h"

/* Sets resources.devices; makes resources where there are none. */
void coco_spec_set_device_rules(Grpc__Linux *container);

/* For an update: the rules that are in force stay. */
void coco_spec_drop_device_rules(Grpc__LinuxResources *resources);

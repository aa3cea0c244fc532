// SPDX-License-Identifier: Apache-2.0
/*
 * Scope types for the messages of containerd's Sandbox service that are unpacked or built piece by
 * piece.
 *
 * Ownership: the variable owns the whole message tree (see pb.h).
 * Thread: any.
 */
#pragma once

#include "guest-protocol/proto/pb.h"
#include "guest-protocol/proto/pod-sandbox.pb-c.h"
#include "guest-protocol/proto/sandbox-types.pb-c.h"
#include "guest-protocol/proto/sandbox.pb-c.h"

COCO_PB_DEFINE_AUTOPTR(Runtime__V1__PodSandboxConfig, runtime__v1__pod_sandbox_config)

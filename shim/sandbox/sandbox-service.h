// SPDX-License-Identifier: Apache-2.0
/*
 * containerd.runtime.sandbox.v1.Sandbox, on the same socket as the Task service.
 *
 * Ownership: a constant table; user_data of the service is the CocoPodSandbox.
 * Thread: main.
 */
#pragma once

#include "guest-protocol/ttrpc/ttrpc-server.h"

extern const CocoTtrpcService coco_sandbox_service;

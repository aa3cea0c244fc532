// SPDX-License-Identifier: Apache-2.0
/*
 * The service that tests of the server and the client talk to: test.Echo, whose messages are those
 * of the agent.
 *
 *     Echo   WriteStreamRequest -> ReadStreamResponse with the same data
 *     Park   keeps the call; the test ends it
 *     Fail   StartContainerRequest: fails with its container_id as text, NOT_FOUND
 *     Blob   ReadStreamRequest -> that many bytes
 *     None   has no handler
 *
 * Ownership: the test owns EchoService; the calls in `parked` are the test's to end.
 * Thread: that of the default main context.
 */
#pragma once

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-server.h"

typedef struct {
    GPtrArray *parked; /* CocoTtrpcCall, in order of arrival; not owned */
    unsigned int n_calls;
} EchoService;

extern const CocoTtrpcService echo_service;

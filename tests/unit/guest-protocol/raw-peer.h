// SPDX-License-Identifier: Apache-2.0
/*
 * The other end of a connection, frame by frame, for what a well-behaved client or server would
 * never send.
 *
 * Ownership: a peer owns its descriptor.
 * Thread: that of the default main context, which it runs while it waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-frame.h"

typedef struct {
    int fd; /* -1: closed by us */
    CocoTtrpcDecoder *decoder;
} RawPeer;

/* A socketpair: one end for the peer, the other is returned (caller owns). */
int raw_peer_init(RawPeer *peer);
void raw_peer_clear(RawPeer *peer);

/* Sends all of it while the main context runs. */
void raw_peer_send(RawPeer *peer, const void *data, size_t length);
void raw_peer_send_frame(RawPeer *peer, uint32_t stream_id, uint8_t type, uint8_t flags,
                         const void *payload, size_t length);

/* The next frame from the other end, valid until the next call; aborts the test at end of file or
 * after 10 s. */
CocoTtrpcFrame raw_peer_receive(RawPeer *peer);

/* True if the other end closes before it sends a byte. */
bool raw_peer_is_closed(RawPeer *peer);

/* Runs the main context until *flag; aborts the test after 10 s. */
void run_until(const bool *flag);

/* Runs what is ready in the main context and what that makes ready. */
void run_pending(void);

/* Runs the main context for so long. */
void run_for_ms(unsigned int ms);

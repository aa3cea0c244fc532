// SPDX-License-Identifier: Apache-2.0
/*
 * A tap that takes an interface's place: what arrives at the interface goes into the tap, and what
 * the guest sends into the tap leaves by the interface (tc, mirred, both ways), so that every kind
 * of interface that a CNI plugin makes will do.
 *
 * The tap is gone with its last descriptor; queueing disciplines and filters on the interface stay
 * until they are removed here, or with the interface.
 *
 * Ownership: descriptors are the caller's.
 * Thread: that of the socket.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/network/network-scan.h"

/* Makes a tap with n queues for link, joins the two and gives its descriptors. What was made of it
 * is undone when a step fails. */
bool coco_tap_make(NlSock *sock, const CocoScannedLink *link, int *out_fds, unsigned int n,
                   GError **error);

/* Takes away what coco_tap_make() has left on any interface of this namespace, and nothing that
 * others have put there. */
bool coco_tap_undo_all(NlSock *sock, GError **error);

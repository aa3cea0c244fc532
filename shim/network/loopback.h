// SPDX-License-Identifier: Apache-2.0
/*
 * Listens on every port of a network namespace's loopback. containerd forwards a port of a pod by
 * connecting to localhost in the pod's namespace (so do kubectl and crictl), where nobody listens:
 * what does is in the guest.
 *
 * One socket for each family has all ports, because a program at the namespace's socket lookup
 * (bpf, sk_lookup; Linux 5.9) leads what is for 127.0.0.0/8 and ::1 there: no packet is changed, no
 * address translated, and what comes from elsewhere cannot have such a destination. All of it is
 * gone with the descriptors, however their owner ends.
 *
 * Ownership: descriptors are the caller's.
 * Thread: any, in the namespace.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* The program's place in the namespace, then sockets that listen. */
#define COCO_LOOPBACK_FDS_MAX 3

/* Gives two or three descriptors (no IPv6), *out_n of them. The port that a connection was made to
 * is that of its own name. */
bool coco_loopback_listen(int out_fds[COCO_LOOPBACK_FDS_MAX], unsigned int *out_n, GError **error);

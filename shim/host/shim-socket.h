// SPDX-License-Identifier: Apache-2.0
/*
 * The socket on which a pod's shim serves: RUN/shim.sock, or, where containerd says in which
 * directory shims have their sockets (2.3 and later), a socket there with RUN/shim.sock as a
 * symbolic link to it. So whoever knows the run directory finds the socket, and the removal of the
 * run directory takes it along.
 *
 * Ownership: as each function says.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/host/pod-dir.h"

/* Somebody listens there. */
bool coco_shim_socket_is_served(const CocoPodDir *dir);

/* Binds the socket (mode 0600), in socket_dir if that is not NULL, under the name that containerd's
 * own shims use: the SHA-256 of containerd's socket, namespace and pod id. Something stale at that
 * path is replaced. The descriptor (transfer full), or -1 with error set. */
int coco_shim_socket_listen(const CocoPodDir *dir, const char *socket_dir, const char *hash_input,
                            GError **error);

/* unix://PATH of the socket itself, not of a link to it. (transfer full) */
char *coco_shim_socket_address(const CocoPodDir *dir);

/* Writes the address into a container's bundle: containerd up to 1.7 finds a running shim again by
 * that file and by nothing else. address: unix://PATH, the form that all of them read. */
bool coco_shim_socket_write_address(const char *bundle, const char *address, GError **error);

// SPDX-License-Identifier: Apache-2.0
/*
 * A root directory for one VM's QEMU, with what a QEMU that runs still opens and nothing else: a
 * guest that broke out of it finds no file of the host's there, no run directory of another pod, no
 * socket of a daemon and no other process.
 *
 *     /usr, /lib…   read-only: what a library loads late
 *     /dev          the one of dev-directory.h
 *     /proc         QEMU's own processes; no kernel's settings
 *     RUN/vm        at its own path: libvirt's files and sockets of this VM
 *     /etc          resolv.conf, for QEMU's own network
 *     quotes        the directory of the socket that a TDX guest's quotes come through
 *
 * It is entered when QEMU has opened and loaded all that it starts with, and before the guest runs.
 * So firmware, kernel, QEMU itself and its modules may be anywhere, and programs that a start needs
 * (an attestation hook) find the host as it is. What is plugged in later comes as descriptors.
 * virtiofsd is by then in a namespace of its own, with the shared directory as its root.
 *
 * Ownership: strings are borrowed.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/*
 * For this process and all others in its mount namespace, which is its own and receives mounts at
 * most. run_dir has a directory vm/. quote_socket: nullable; its directory is what is kept, so that
 * a daemon may make the socket anew. Where there is none by now, the guest gets no quotes.
 */
bool coco_qemu_root_enter(const char *run_dir, const char *quote_socket, GError **error);

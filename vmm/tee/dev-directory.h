// SPDX-License-Identifier: Apache-2.0
/*
 * A /dev for one VM's QEMU, with what a QEMU opens and nothing else: a guest that broke out of it
 * finds no disk of the host there, no terminal and no other driver to attack.
 *
 * libvirt can do the same for a domain (namespaces = ["mount"]), and is not used for it: it moves
 * every mount below /dev out and in again, and failed ("Unable to move … mount to /dev/kvm") with
 * libvirt 9.0 where /dev/kvm was covered.
 *
 * Ownership: strings are borrowed.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/*
 * The process has a mount namespace of its own: only it and what it starts see this /dev. run_dir
 * has a directory vm/. device: one more that QEMU gets, as it is by now (private-device.h),
 * nullable.
 *
 * Without kvm it is not there at all. Where root can open the device and QEMU's user cannot,
 * libvirt would throw its cached capabilities away and ask QEMU again at every start (10.7 s seen).
 */
bool coco_dev_directory_make(const char *run_dir, const char *device, bool kvm, GError **error);

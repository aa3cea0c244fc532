// SPDX-License-Identifier: Apache-2.0
/*
 * The network interfaces of a VM. Whoever asks for one has made its other end on the host, a tap
 * with a queue for each descriptor, and gives the descriptors: QEMU needs no access to the network
 * namespace that the tap is in, and the tap is gone when the last one is closed. Or it is QEMU's
 * own network (user), which has no end on the host.
 *
 * Each sits behind a port of its own, because it is plugged in like one that comes later: into the
 * VM that is there and does not run yet.
 *
 * Ownership: a list owns its strings and descriptors.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#define COCO_VM_NICS_MAX 8
#define COCO_VM_NIC_QUEUES_MAX 8
#define COCO_VM_NIC_MTU_MIN 68
#define COCO_VM_NIC_MTU_MAX 65535

typedef struct {
    char *mac; /* "02:00:00:00:00:01" */
    unsigned int mtu;
    bool user; /* QEMU's own network; no queues then */
    unsigned int queues;
    int fds[COCO_VM_NIC_QUEUES_MAX];   /* of the tap; -1: not there yet */
    int vhost[COCO_VM_NIC_QUEUES_MAX]; /* of the kernel's help with it; -1: none */
} CocoVmNic;

typedef struct {
    CocoVmNic *items;
    size_t n;
} CocoVmNics;

/* Appends one without descriptors (mac is copied). */
void coco_vm_nics_add(CocoVmNics *nics, const char *mac, unsigned int mtu, unsigned int queues,
                      bool user);

void coco_vm_nics_clear(CocoVmNics *nics);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoVmNics, coco_vm_nics_clear)

/* Six bytes of one interface, as "02:00:00:00:00:01". */
bool coco_vm_nic_is_mac(const char *text);

/* How many descriptors of taps the list wants. */
size_t coco_vm_nics_queues(const CocoVmNics *nics);

/* Gives each queue its descriptor, n of them in the order of the list. fds: (transfer full), -1 is
 * left there. False when they are not as many as there are queues; then nothing is taken. */
bool coco_vm_nics_take(CocoVmNics *nics, int *fds, size_t n);

/* Opens path for every queue, as far as it can be opened: without it QEMU moves the packets. */
void coco_vm_nics_open_vhost(CocoVmNics *nics, const char *path);

/* The name of interface i for QEMU: "nic0" (transfer full). */
char *coco_vm_nic_name(size_t i);

// SPDX-License-Identifier: Apache-2.0
/*
 * What a launch learns only after it has begun: whoever starts a VM early may not know yet which
 * disks it needs. One line of JSON on standard input:
 *
 *     {"share":true,"hotplug":true,"vcpus":2,"memory_mib":512,
 *      "disks":[{"path":"/a/disk","readonly":true}, …],
 *      "netns":"/run/netns/pod",
 *      "nics":[{"mac":"02:00:00:00:00:01","mtu":1500,"queues":1}, {…,"user":true}, …]}
 *
 * share: the guest gets the directory of --share. hotplug: disks may be attached later. vcpus,
 * memory_mib: the pod's limits, which come on top of what the VM itself has (vm-size.h). netns: the
 * network namespace that QEMU is to be in, or "new". nics: the
 * descriptors of their taps, one for each queue, come with the line where standard input is a
 * socket (SCM_RIGHTS). Each member may be left out.
 *
 * Ownership: a request owns its disks and interfaces.
 * Thread: one.
 */
#pragma once

#include "vmm/config/vm-disk.h"
#include "vmm/config/vm-nic.h"
#include "vmm/config/vm-size.h"

#define COCO_LAUNCH_REQUEST_MAX (64 * 1024)

typedef struct {
    bool share;
    bool hotplug;
    CocoVmSize pod; /* 0: no limit */
    char *netns;    /* nullable: the launcher's; "": a new one */
    CocoVmDisks disks;
    CocoVmNics nics;
} CocoLaunchRequest;

void coco_launch_request_clear(CocoLaunchRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoLaunchRequest, coco_launch_request_clear)

/* text: len bytes, without their end of line. The interfaces have no descriptors. out_request is
 * written only on success. */
bool coco_launch_request_parse(const char *text, size_t len, CocoLaunchRequest *out_request,
                               GError **error);

/* Waits for the line, and for a signal other than SIGCHLD, which is an error. Borrows both. */
bool coco_launch_request_read(int fd, int signal_fd, CocoLaunchRequest *out_request,
                              GError **error);

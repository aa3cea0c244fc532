// SPDX-License-Identifier: Apache-2.0
/*
 * What a VM uses of its host, in the form of a container's statistics: the figures of a pod, with
 * what the VM costs on top of its containers. Read from the host's kernel: no guest has a say in
 * it.
 *
 * Source: proc_pid_stat(5), proc_pid_status(5), cgroups(7).
 * Ownership: as each says.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "guest-protocol/proto/agent-pb.h"
#include "vmm/run/cgroup.h"

/* (transfer full): free it as a message. pid: of the VM's process, whose CPU time and threads
 * count. pod: the cgroup of all processes of the VM, whose memory counts; nullable, and where it
 * counts none, the process's does. Fails with UNAVAILABLE when there is no process. */
Grpc__StatsContainerResponse *coco_vm_usage_read(pid_t pid, const CocoCgroup *pod, GError **error);

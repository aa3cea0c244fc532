// SPDX-License-Identifier: Apache-2.0
/*
 * Which cgroup a pod's processes live in, and how near they are to the kernel's OOM killer: what
 * containerd says for a container of runc, applied to the VM.
 *
 *     cgroupsPath            of              cgroup
 *     /default/ID            ctr, nerdctl    /default/ID
 *     /kubepods/podUID/ID    CRI             /kubepods/podUID/coco_POD
 *     SLICE:PREFIX:ID        either          /…/SLICE/coco_POD, in the place of a unit of systemd's
 *     parent of a sandbox    Sandbox API     PARENT/coco_POD, PARENT in one of the two forms
 *
 * The limits of a pod and its overhead are the kubelet's, who sets them on the parent. So the leaf
 * has none, and a plain directory below a slice is all it takes, though slices are systemd's:
 * systemd removes only what is empty there, and whatever controllers it takes away from the
 * children of a slice, the slice itself goes on counting. A scope would need D-Bus for the same.
 *
 * The VM's score is the lowest that one of the pod's containers asks for, and 0 where none does:
 * for CRI's these follow from the pod's QoS class. The container of a sandbox, which has -998
 * whatever the pod, does not count once there is another one, nor does what the shim has from
 * containerd, which is meant for containerd. A container that goes does not take its score along.
 *
 * RUN/cgroup and RUN/oom_score_adj keep both for the launcher's runs and for `delete`.
 *
 * Source: runc, libcontainer/cgroups/systemd (slices); containerd, internal/cri/server.
 * Ownership: strings are borrowed unless it says otherwise.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

/* What containerd gives to the container of a sandbox, whatever the pod. */
#define COCO_SANDBOX_OOM_SCORE_ADJ (-998)

/* own: the cgroup is for the pod alone. FALSE with error where the text is no such path (transfer
 * full). */
char *coco_pod_cgroup_of_container(const char *cgroups_path, bool own, const char *pod_id,
                                   GError **error);

/* parent: "" for none (transfer full). */
char *coco_pod_cgroup_of_sandbox(const char *parent, const char *pod_id, GError **error);

/* Saves both for the pod of this bundle. A bundle without a spec is a sandbox's. own: its only
 * container. */
bool coco_pod_cgroup_save(const char *bundle, bool own, const char *pod_id, const char *run_dir,
                          GError **error);

/* The same for a sandbox with this cgroup_parent. */
bool coco_pod_cgroup_save_sandbox(const char *parent, const char *pod_id, const char *run_dir,
                                  GError **error);

/* The pod gets a container that asks for this score: what runs for the VM has it at once. first:
 * but for the sandbox there is none yet. */
void coco_pod_cgroup_note_score(const char *run_dir, int64_t score, bool first);

/* Puts a process of ours, that has started nothing yet, into the cgroup and gives it the score.
 * run_dir: the pod's. Where there are no cgroups for us it is not put anywhere, and told in the
 * log. */
bool coco_pod_cgroup_admit(const char *run_dir, pid_t pid, GError **error);

/* Removes the cgroup; nothing runs in it any more. */
bool coco_pod_cgroup_remove(const char *run_dir, GError **error);

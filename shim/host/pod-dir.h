// SPDX-License-Identifier: Apache-2.0
/*
 * The run directory of one pod, ${COCO_RUN_DIR:-/run/coco}/<20 hex digits>: everything of the pod
 * that lives on the host is in it, so that undoing a pod is ending the processes that name it and
 * removing it.
 *
 *     shim.sock   our ttrpc socket               vm/          libvirt's embedded root (launcher)
 *     served      whose lock the shim holds (pod-lock.h)
 *     state.json  who and which pids             agent.sock   channel to the agent (QEMU)
 *     mounts/     what a container mounts        console.log  bounded (launcher)
 *     shared/     what virtiofsd exports of it (share.h)
 *     initdata    the annotation, if there is one (pod-initdata.h); tee likewise (pod-tee.h)
 *     annotations what the pod says of its VM (pod-annotations.h)
 *     netns       the pod's network namespace (pod-netns.h)
 *     etc/        hosts, hostname and resolv.conf of a sandbox (pod-names.h)
 *
 * The digits are a hash of containerd's socket, namespace and pod id: two containerds, or two
 * namespaces, with the same id do not meet, and paths stay far below the 108 bytes of a socket
 * address.
 *
 * Ownership: CocoPodDir owns its strings; accessors lend.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _CocoPodDir CocoPodDir;

/* $COCO_RUN_DIR, else /run/coco (transfer none). */
const char *coco_pod_dir_base(void);

/* Computes the paths; touches nothing. */
CocoPodDir *coco_pod_dir_new(const char *containerd_address, const char *ns, const char *pod_id);
CocoPodDir *coco_pod_dir_new_for_socket(const char *socket_path);
void coco_pod_dir_free(CocoPodDir *dir);

const char *coco_pod_dir_path(const CocoPodDir *dir);
const char *coco_pod_dir_socket(const CocoPodDir *dir);
const char *coco_pod_dir_mounts(const CocoPodDir *dir);
const char *coco_pod_dir_shared(const CocoPodDir *dir);
const char *coco_pod_dir_state(const CocoPodDir *dir);
const char *coco_pod_dir_console(const CocoPodDir *dir);
const char *coco_pod_dir_initdata(const CocoPodDir *dir);
const char *coco_pod_dir_tee(const CocoPodDir *dir);
const char *coco_pod_dir_annotations(const CocoPodDir *dir);
const char *coco_pod_dir_netns(const CocoPodDir *dir);
const char *coco_pod_dir_etc(const CocoPodDir *dir);

/* Makes the directory (0711: QEMU's user must reach its own sockets) and its parents. */
bool coco_pod_dir_make(const CocoPodDir *dir, GError **error);

/* SIGKILLs every process of this directory: the shim that serves it, which is not the caller, and
 * QEMU, virtiofsd, console logger and launcher (vmm/run/process-finder.h). Waits until they are
 * gone, timeout_ms at most. out_qemu_pid: nullable; the QEMU that was there, 0 if none. */
bool coco_pod_dir_kill_processes(const CocoPodDir *dir, int timeout_ms, pid_t *out_qemu_pid,
                                 GError **error);

/* Asks (SIGTERM) a shim to end, if pid is one that serves this directory. */
void coco_pod_dir_end_shim(const CocoPodDir *dir, pid_t pid);

/* Unmounts what is mounted below and removes the directory. Never descends into a mount: what a
 * container had mounted is not ours to delete. Gone already is success. */
bool coco_pod_dir_remove(const CocoPodDir *dir, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPodDir, coco_pod_dir_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * The pod that a shim serves: its VM, its containers, its events, and when it is over.
 *
 * Ownership: one per process, made by serve.c, alive until the main loop ends; so callbacks may use
 * it freely. Thread: main.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/agent/agent-call.h"
#include "shim/host/pod-dir.h"
#include "shim/pod/container.h"
#include "shim/vm/late-network.h"
#include "shim/vm/vm-changes.h"
#include "shim/vm/pod-vm.h"

typedef struct _CocoPod CocoPod;

typedef struct {
    const char *id;
    const char *ns;
    const char *config_path;
    const char *tee;           /* that is insisted on, shim/vm/pod-tee.h; nullable */
    const char *ttrpc_address; /* containerd's, for events */
    const CocoPodDir *dir;     /* outlives the pod */
    CocoSignals *signals;      /* likewise */
    GMainLoop *loop;           /* ended when the pod is over */
    /* A pod that has no container for so long, and no sandbox that was started, is nobody's any
     * more: it ends itself and leaves nothing. 0: never. */
    unsigned int idle_ms;
} CocoPodConfig;

CocoPod *coco_pod_new(const CocoPodConfig *config);
void coco_pod_free(CocoPod *pod);

const char *coco_pod_id(const CocoPod *pod);
const char *coco_pod_namespace(const CocoPod *pod);
const CocoPodDir *coco_pod_run_dir(const CocoPod *pod);
const char *coco_pod_mounts_dir(const CocoPod *pod);
CocoPodVm *coco_pod_vm(const CocoPod *pod);
CocoVmChanges *coco_pod_changes(const CocoPod *pod);
CocoLateNetwork *coco_pod_late_network(const CocoPod *pod);
CocoSignals *coco_pod_signals(const CocoPod *pod);

/* Makes the shared directory and starts the VM; does nothing the second time. */
bool coco_pod_start_vm(CocoPod *pod, GError **error);
bool coco_pod_is_vm_started(const CocoPod *pod);

CocoContainer *coco_pod_find(const CocoPod *pod, const char *id); /* (transfer none), nullable */
void coco_pod_add(CocoPod *pod, CocoContainer *container);        /* (transfer full) */

typedef void (*CocoPodRemovedFunc)(void *user_data);

/* Takes a container out: its mounts and disks go, and with the last one the VM and the run
 * directory. func runs when all of that is done. */
void coco_pod_remove(CocoPod *pod, CocoContainer *container, CocoPodRemovedFunc func,
                     void *user_data);

/* The same for all containers at once, and the VM in any case. */
void coco_pod_remove_all(CocoPod *pod, CocoPodRemovedFunc func, void *user_data);

bool coco_pod_is_empty(const CocoPod *pod);

/* From now on the Sandbox service says when the VM ends, and not the last container; func hears of
 * a VM that is gone without having been stopped, after the containers' exits. */
void coco_pod_become_sandbox(CocoPod *pod, CocoPodVmGoneFunc func, void *user_data);
bool coco_pod_is_sandbox(const CocoPod *pod);

/* Of the pod and not of a container: names and values in turn (transfer full); none at first. */
void coco_pod_set_sysctls(CocoPod *pod, char **sysctls);
char *const *coco_pod_sysctls(const CocoPod *pod); /* nullable */

/* It gets a container that asks for this: shim/host/pod-cgroup.h. */
void coco_pod_note_oom_score(CocoPod *pod, int64_t score);

/* Their VM has ended: whatever still ran in them was killed. */
void coco_pod_end_containers(CocoPod *pod);

/* The process has ended: execs of an ended container go first, then the events, in that order. */
void coco_pod_process_exited(CocoPod *pod, CocoContainer *container, CocoProcess *process,
                             uint32_t exit_status);

/* event: (transfer none); topic "/tasks/…" */
void coco_pod_publish(CocoPod *pod, const char *topic, const ProtobufCMessage *event);

/* How the next call of the agent is made: deadline timeout_s (0: none). Finish with
 * coco_ttrpc_client_call_finish(). When there is no VM it fails with UNAVAILABLE, also by callback;
 * and at once with DEADLINE_EXCEEDED when the agent has been silent for as long as the call would
 * wait. */
CocoAgentCall coco_pod_call_of_agent(CocoPod *pod, unsigned int timeout_s,
                                     GAsyncReadyCallback callback, void *user_data);

/* The same of an agent that may be silent: what it is told it hears when it is back. */
CocoAgentCall coco_pod_call_of_silent_agent(CocoPod *pod, unsigned int timeout_s,
                                            GAsyncReadyCallback callback, void *user_data);

/* Ends the shim once its events are out. Ignored while there are containers or a sandbox, unless
 * force. */
void coco_pod_shutdown(CocoPod *pod, bool force);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPod, coco_pod_free)

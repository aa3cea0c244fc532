// SPDX-License-Identifier: Apache-2.0
/*
 * One container: its bundle, its cgroup, its processes, and the runtime's verbs on it.
 *
 *     creating -> created -> running -> stopped          any but creating -> removing -> gone
 *            |      \________________/ (start failed, or its init died early)
 *             \-> gone (what had been done is undone: it failed, or was removed meanwhile)
 *
 * A removal that fails leaves a stopped container, which can be removed again.
 *
 * Ownership: counted; a verb in flight holds a reference. CocoGuestContainerHost is borrowed and
 * must outlive it. Thread: that of the host's reaper.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <gio/gio.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest/container/crun.h"
#include "guest/container/process.h"
#include "guest/system/file-watch.h"
#include "guest/system/layout.h"
#include "guest/system/reaper.h"

/* Processes at one time in one container's table: running ones, and the finished ones that are
 * kept. */
#define COCO_CONTAINER_PROCESSES_MAX 4096
/* Finished execs whose status and output are kept, the newest; the protocol has no call that
 * removes one. */
#define COCO_CONTAINER_FINISHED_MAX 256

typedef struct {
    const CocoLayout *layout;
    CocoReaper *reaper;
    CocoCrun *crun;
    CocoFileWatcher *files;
    /* The kernel killed a process of the container for want of memory. */
    void (*on_oom)(const char *id, void *user_data);
    void *user_data;
} CocoGuestContainerHost;

typedef struct _CocoGuestContainer CocoGuestContainer;

/* error: NULL on success (transfer none). Runs once, maybe before the verb returned. */
typedef void (*CocoGuestContainerDone)(const GError *error, void *user_data);

CocoGuestContainer *coco_guest_container_new(const CocoGuestContainerHost *host, const char *id);
CocoGuestContainer *coco_guest_container_ref(CocoGuestContainer *container);
void coco_guest_container_unref(CocoGuestContainer *container);

/* "/pod/ctr-ID": where a container's cgroup is below the mount. g_free(). */
char *coco_guest_container_cgroup_path(const char *id);
const char *coco_guest_container_get_id(const CocoGuestContainer *container);
/* (transfer none) */
const char *coco_guest_container_get_bundle(const CocoGuestContainer *container);

/* spec: adapted already; its paths are changed (transfer none). init_id: the exec id its init goes
 * by besides "" and the container's. */
void coco_guest_container_create(CocoGuestContainer *container, Grpc__Spec *spec,
                                 const char *init_id, CocoGuestContainerDone done, void *user_data);
void coco_guest_container_start(CocoGuestContainer *container, CocoGuestContainerDone done,
                                void *user_data);
void coco_guest_container_exec(CocoGuestContainer *container, const char *exec_id,
                               const Grpc__Process *spec, CocoGuestContainerDone done,
                               void *user_data);
void coco_guest_container_update(CocoGuestContainer *container,
                                 const Grpc__LinuxResources *resources, CocoGuestContainerDone done,
                                 void *user_data);
/* Done when the kernel says that all processes stand still, or run again. */
void coco_guest_container_freeze(CocoGuestContainer *container, bool frozen,
                                 CocoGuestContainerDone done, void *user_data);
/* Kills what runs, waits for it (timeout_s; 0: as long as usual; bounded), and takes everything
 * away. A creation under way is cancelled. */
void coco_guest_container_remove(CocoGuestContainer *container, unsigned int timeout_s,
                                 CocoGuestContainerDone done, void *user_data);
/* Nothing of it is there: not created yet, or taken away. */
bool coco_guest_container_is_gone(const CocoGuestContainer *container);

/* exec_id "": SIGKILL goes to every process of the container, any other signal to its init. */
bool coco_guest_container_signal(CocoGuestContainer *container, const char *exec_id,
                                 uint32_t signal, GError **error);

/* (transfer none); NULL with NOT_FOUND. */
CocoGuestProcess *coco_guest_container_find_process(CocoGuestContainer *container,
                                                    const char *exec_id, GError **error);
/* The caller owns it; NULL when the container has no processes any more. */
Grpc__CgroupStats *coco_guest_container_stats(const CocoGuestContainer *container, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoGuestContainer, coco_guest_container_unref)

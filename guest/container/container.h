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
 * Ownership: counted; a verb in flight holds a reference. CocoContainerHost is borrowed and must
 * outlive it. Thread: that of the host's reaper.
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
} CocoContainerHost;

typedef struct _CocoContainer CocoContainer;

/* error: NULL on success (transfer none). Runs once, maybe before the verb returned. */
typedef void (*CocoContainerDone)(const GError *error, void *user_data);

CocoContainer *coco_container_new(const CocoContainerHost *host, const char *id);
CocoContainer *coco_container_ref(CocoContainer *container);
void coco_container_unref(CocoContainer *container);

/* "/pod/ctr-ID": where a container's cgroup is below the mount. g_free(). */
char *coco_container_cgroup_path(const char *id);
const char *coco_container_get_id(const CocoContainer *container);
/* (transfer none) */
const char *coco_container_get_bundle(const CocoContainer *container);

/* spec: adapted already; its paths are changed (transfer none). init_id: the exec id its init goes
 * by besides "" and the container's. */
void coco_container_create(CocoContainer *container, Grpc__Spec *spec, const char *init_id,
                           CocoContainerDone done, void *user_data);
void coco_container_start(CocoContainer *container, CocoContainerDone done, void *user_data);
void coco_container_exec(CocoContainer *container, const char *exec_id, const Grpc__Process *spec,
                         CocoContainerDone done, void *user_data);
void coco_container_update(CocoContainer *container, const Grpc__LinuxResources *resources,
                           CocoContainerDone done, void *user_data);
/* Done when the kernel says that all processes stand still, or run again. */
void coco_container_freeze(CocoContainer *container, bool frozen, CocoContainerDone done,
                           void *user_data);
/* Kills what runs, waits for it, and takes everything away. A creation under way is cancelled. */
void coco_container_remove(CocoContainer *container, CocoContainerDone done, void *user_data);
/* Nothing of it is there: not created yet, or taken away. */
bool coco_container_is_gone(const CocoContainer *container);

/* exec_id "": SIGKILL goes to every process of the container, any other signal to its init. */
bool coco_container_signal(CocoContainer *container, const char *exec_id, uint32_t signal,
                           GError **error);

/* (transfer none); NULL with NOT_FOUND. */
CocoProcess *coco_container_find_process(CocoContainer *container, const char *exec_id,
                                         GError **error);
/* The caller owns it; NULL when the container has no processes any more. */
Grpc__CgroupStats *coco_container_stats(const CocoContainer *container, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoContainer, coco_container_unref)

// SPDX-License-Identifier: Apache-2.0
/*
 * One container of the pod: its first process, its execs, whether it is paused.
 *
 * Ownership: reference counted; the pod's table holds one, every call under way another.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "shim/pod/process.h"

/* Execs of one container that were not deleted yet. */
#define COCO_CONTAINER_MAX_EXECS 4096

typedef struct _CocoContainer CocoContainer;

typedef void (*CocoContainerEachFunc)(CocoProcess *process, void *user_data);

/* init: (transfer full) */
CocoContainer *coco_container_new(const char *id, const char *bundle, CocoProcess *init);
CocoContainer *coco_container_ref(CocoContainer *container);
void coco_container_unref(CocoContainer *container);

const char *coco_container_id(const CocoContainer *container);
const char *coco_container_bundle(const CocoContainer *container);
CocoProcess *coco_container_init(const CocoContainer *container); /* (transfer none) */

/* The guest has it (CreateContainer succeeded). */
bool coco_container_is_created(const CocoContainer *container);
void coco_container_set_created(CocoContainer *container);

/* Its Delete came while it was being created: whoever creates it undoes what there is. */
bool coco_container_is_doomed(const CocoContainer *container);
void coco_container_doom(CocoContainer *container);

/* What doom calls, so that it need not wait for what may never end; NULL for nothing. */
typedef void (*CocoContainerDoomFunc)(void *user_data);
void coco_container_set_doom_func(CocoContainer *container, CocoContainerDoomFunc func,
                                  void *user_data);

bool coco_container_is_paused(const CocoContainer *container);
void coco_container_set_paused(CocoContainer *container, bool paused);

/* Where the guest has the disks that were attached for it; (transfer full), NULL for none. */
void coco_container_set_disks(CocoContainer *container, char **places);
char **coco_container_steal_disks(CocoContainer *container);

/* What watches that the guest ends it after a SIGKILL (kill-promise.h): a source of the main loop,
 * 0 for none. It goes when the guest tells of the exit, or its VM does. */
void coco_container_set_kill_source(CocoContainer *container, unsigned int source);
bool coco_container_has_kill_source(const CocoContainer *container);
void coco_container_exit_told(CocoContainer *container);

/* "" is the first process. NULL when unknown. (transfer none) */
CocoProcess *coco_container_find(const CocoContainer *container, const char *exec_id);
void coco_container_add_exec(CocoContainer *container,
                             CocoProcess *exec); /* exec: (transfer full) */
void coco_container_remove_exec(CocoContainer *container, const char *exec_id);
void coco_container_each_exec(CocoContainer *container, CocoContainerEachFunc func,
                              void *user_data);
unsigned int coco_container_count_processes(const CocoContainer *container);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoContainer, coco_container_unref)

// SPDX-License-Identifier: Apache-2.0
/*
 * The pod as the guest sees it: its containers, its storages, its hostname and name servers, and
 * the out-of-memory events that the host asks for. There is one; before CreateSandbox it is empty
 * but usable, since `ctr run` style hosts may create containers directly.
 *
 * Ownership: the sandbox owns the containers; those handed out are (transfer none).
 * Thread: that of the thread-default main context.
 */
#pragma once

#include <stdbool.h>

#include <gio/gio.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest/container/container.h"
#include "guest/container/crun.h"
#include "guest/pod/oom-events.h"
#include "guest/pod/shared-files.h"
#include "guest/storage/storage.h"
#include "guest/system/layout.h"
#include "guest/system/reaper.h"

#define COCO_SANDBOX_CONTAINERS_MAX 256

typedef struct _CocoGuestSandbox CocoGuestSandbox;

/* All borrowed; must outlive the sandbox. */
CocoGuestSandbox *coco_guest_sandbox_new(const CocoLayout *layout, CocoReaper *reaper,
                                         CocoCrun *crun);
void coco_guest_sandbox_free(CocoGuestSandbox *sandbox);

/* request: borrowed until done runs, which waits for the storages. */
void coco_guest_sandbox_create(CocoGuestSandbox *sandbox, const Grpc__CreateSandboxRequest *request,
                               CocoGuestContainerDone done, void *user_data);
CocoStorageTable *coco_guest_sandbox_get_storages(const CocoGuestSandbox *sandbox);

/* request: borrowed until done runs, which waits for disks and storages. */
void coco_guest_sandbox_create_container(CocoGuestSandbox *sandbox,
                                         const Grpc__CreateContainerRequest *request,
                                         CocoGuestContainerDone done, void *user_data);
/* request: borrowed for the call. */
void coco_guest_sandbox_remove_container(CocoGuestSandbox *sandbox,
                                         const Grpc__RemoveContainerRequest *request,
                                         CocoGuestContainerDone done, void *user_data);

/* NULL with NOT_FOUND, or INVALID_ARGUMENT for what is no id. */
CocoGuestContainer *coco_guest_sandbox_find(CocoGuestSandbox *sandbox, const char *id,
                                            GError **error);
CocoGuestProcess *coco_guest_sandbox_find_process(CocoGuestSandbox *sandbox, const char *id,
                                                  const char *exec_id, GError **error);

/* What the container wrote for whoever asks why it ended; "" where there is nothing. */
void coco_guest_sandbox_read_termination_log(CocoGuestSandbox *sandbox, const char *id,
                                             CocoChildWorkDone done, void *user_data);
/* (transfer none) */
CocoSharedFiles *coco_guest_sandbox_get_files(const CocoGuestSandbox *sandbox);

/* Where drivers are loaded: one that is added there waits for those before it. (transfer none) */
CocoChildQueue *coco_guest_sandbox_get_modules(const CocoGuestSandbox *sandbox);

/* Adds what a container with this spec (nullable) needs that the kernel does not load by itself. */
void coco_guest_sandbox_load_for(CocoGuestSandbox *sandbox, const Grpc__Spec *spec);

void coco_guest_sandbox_wait_oom(CocoGuestSandbox *sandbox, GCancellable *cancellable,
                                 CocoOomEventsFunc func, void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoGuestSandbox, coco_guest_sandbox_free)

// SPDX-License-Identifier: Apache-2.0
/*
 * What sandbox.c (the containers) and sandbox-create.c (CreateSandbox) share.
 *
 * Ownership and thread: as in sandbox.h.
 */
#pragma once

#include "guest/pod/namespaces.h"
#include "guest/pod/sandbox.h"
#include "guest/system/memory-watch.h"

struct _CocoGuestSandbox {
    const CocoLayout *layout;
    CocoGuestContainerHost host;
    char *id; /* NULL before CreateSandbox */
    bool is_creating;
    char *hostname;
    bool shares_pid_namespace;
    char *first; /* container of the pod, whose pid namespace others may share */
    CocoNamespaces *namespaces;
    CocoStorageTable *storage_table;
    CocoStorages *storages;
    GHashTable *containers; /* id -> Entry */
    CocoOomEvents *oom_events;
    CocoMemoryWatch *memory_watch; /* nullable: of all containers together */
    CocoSharedFiles *files;
    CocoChildQueue *modules; /* that are loaded */
    bool has_tables;         /* of table-modules.h: they were asked for once */
};

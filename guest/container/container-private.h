// SPDX-License-Identifier: Apache-2.0
/*
 * What container.c, container-exec.c and container-freeze.c share: the body of a container and of a
 * verb in flight.
 *
 * Ownership: as in container.h. A verb holds a reference to its container and maybe to a process.
 * Thread: as in container.h.
 */
#pragma once

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/container.h"
#include "guest/system/memory-watch.h"

typedef enum {
    COCO_CONTAINER_NEW,
    COCO_CONTAINER_CREATING,
    COCO_CONTAINER_CREATED,
    COCO_CONTAINER_STARTING,
    COCO_CONTAINER_RUNNING,
    COCO_CONTAINER_STOPPED,
    COCO_CONTAINER_REMOVING,
    COCO_CONTAINER_GONE,
} CocoGuestContainerState;

typedef struct _CocoVerb CocoVerb;
typedef struct _CocoEnding CocoEnding;
typedef struct _CocoFreeze CocoFreeze;
typedef struct _CocoBundling CocoBundling;

struct _CocoGuestContainer {
    grefcount refs;
    const CocoGuestContainerHost *host;
    char *id;
    char *bundle;
    char *cgroup; /* directory */
    CocoGuestContainerState state;
    CocoGuestProcess *init;
    char *init_id;
    GHashTable *processes; /* exec id -> CocoGuestProcess */
    GQueue finished;       /* CocoGuestProcess, oldest first */
    bool frozen;
    bool shares_pid_namespace;
    CocoFreeze *freeze;
    CocoVerb *creation;     /* while the runtime creates it */
    CocoVerb *canceller;    /* the removal that waits until the creation is undone */
    CocoBundling *bundling; /* while a child writes its bundle */
    CocoEnding *ending;
    unsigned int end_timeout_s; /* 0: as the agent thinks best */
    CocoMemoryWatch *memory_watch;
};

/* A verb of the runtime in flight. */
struct _CocoVerb {
    CocoGuestContainer *container;
    CocoGuestProcess *process; /* nullable */
    CocoCrunRun *run;          /* dangling when its function has run */
    char *pid_file;            /* nullable */
    int console_listener;      /* -1 */
    char *console_path;        /* nullable */
    int64_t oom_score;         /* of an exec, whose own crun does not set */
    GError *failure;           /* of a creation, while it is undone */
    CocoGuestContainerDone done;
    void *user_data;
};

CocoVerb *coco_verb_new(CocoGuestContainer *container, CocoGuestProcess *process,
                        CocoGuestContainerDone done, void *user_data);
/* Tells the caller and frees. */
void coco_verb_end(CocoVerb *verb, const GError *error);
void coco_verb_fail(CocoVerb *verb, CocoTtrpcCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Opens a console socket for a process with a terminal; its path is then in verb. */
bool coco_verb_prepare_console(CocoVerb *verb, GError **error);
/* The runtime has made the process: takes its terminal, reads its pid, and watches it. */
bool coco_verb_take_process(CocoVerb *verb, GError **error);
/* Starts the runtime, with pipes for a process without terminal. args and input as coco_crun_run().
 */
bool coco_verb_run(CocoVerb *verb, const char *const *args, const char *input, CocoCrunDone func,
                   GError **error);

/* Writes the bundle in a child, whose copy of spec is changed. done never runs at once, but for a
 * child that cannot be started. */
void coco_guest_container_write_bundle(CocoGuestContainer *container, Grpc__Spec *spec,
                                       CocoGuestContainerDone done, void *user_data);
void coco_guest_container_cancel_bundle(CocoGuestContainer *container);

/* Its init has gone: the state changes, and OOM kills that came just before are told first. */
void coco_guest_container_init_exited(CocoGuestContainer *container);
/* True when the container is in a state in which processes can be added or changed; else an error.
 */
bool coco_guest_container_check_running(const CocoGuestContainer *container, GError **error);
void coco_guest_container_freeze_cancel(CocoGuestContainer *container);
/* Also when the kernel has not stopped everything yet. */
bool coco_guest_container_is_pausing(const CocoGuestContainer *container);

/* Ends what runs and takes everything away, also of a creation that got half way. done: with
 * DEADLINE_EXCEEDED when something would not end; all that is left can be tried again. */
void coco_guest_container_end(CocoGuestContainer *container, CocoGuestContainerDone done,
                              void *user_data);

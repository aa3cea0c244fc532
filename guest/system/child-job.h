// SPDX-License-Identifier: Apache-2.0
/*
 * What a child of the agent is to run (a program, or a function of the agent's), with which
 * descriptors and with how much less than the agent has (child-runner.h runs it).
 *
 * Ownership: a job borrows all that it points to.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#define COCO_CHILD_FDS_MAX 16

typedef struct {
    int source; /* borrowed; -1: /dev/null */
    int target;
} CocoChildFd;

typedef struct {
    int resource;
    rlim_t limit; /* soft and hard */
} CocoChildLimit;

/* What a child has less than the agent. All zero: nothing. */
typedef struct {
    bool as_user; /* with uid, gid and no other group */
    uid_t uid;
    gid_t gid;
    bool no_new_privileges;
    bool no_capabilities; /* in none of the sets */
    int namespaces;       /* CLONE_NEW flags for new ones of its own; not CLONE_NEWPID */
    const CocoChildLimit *limits;
    size_t n_limits;
} CocoChildConfinement;

typedef struct {
    const char *const *argv;        /* argv[0] is the path, or the name of the work */
    const char *const *environment; /* nullable: PATH alone */
    const CocoChildFd *fds;         /* 0 to 2 are /dev/null where not named */
    size_t n_fds;
    int output; /* the number under which the child finds a pipe whose last bytes are kept; or -1 */
    size_t output_max;
    unsigned int deadline_s; /* 0: none */
    const char *oom_score;   /* nullable: the agent's own */
    CocoChildConfinement confinement;
    /* Instead of a program, in a copy of this process with nothing open but what the job gives: its
     * result is the exit status. For what may block for long; it may use the heap. */
    int (*work)(void *work_data);
    void *work_data;
} CocoChildJob;

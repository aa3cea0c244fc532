// SPDX-License-Identifier: Apache-2.0
/*
 * One process of a container: its first (exec id "") or an exec. Knows its state, its stdio, its
 * exit and who waits for that; what is asked of the guest for it is in task/.
 *
 * Ownership: reference counted; a container's table holds one, every call under way another.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "shim/pod/process-fsm.h"
#include "shim/stdio/stdio.h"

typedef struct _CocoProcess CocoProcess;

typedef struct {
    const char *container_id;
    const char *exec_id;  /* "" for the container's first process */
    const char *ns;       /* containerd's */
    CocoSignals *signals; /* outlives the process */
    const char *in;
    const char *out;
    const char *err;
    bool terminal;
} CocoProcessConfig;

typedef struct {
    uint32_t rows;
    uint32_t columns;
} CocoWindowSize;

/* Its stdio is to be opened before it starts. */
CocoProcess *coco_process_new(const CocoProcessConfig *config);
CocoProcess *coco_process_ref(CocoProcess *process);
void coco_process_unref(CocoProcess *process);

const char *coco_process_container_id(const CocoProcess *process);
const char *coco_process_exec_id(const CocoProcess *process);
const char *
coco_process_agent_id(const CocoProcess *process); /* exec id, or the container id for the first */
const char *coco_process_in(const CocoProcess *process);
const char *coco_process_out(const CocoProcess *process);
const char *coco_process_err(const CocoProcess *process);
bool coco_process_terminal(const CocoProcess *process);
CocoWindowSize coco_process_window(const CocoProcess *process); /* 0 x 0: nobody said */
void coco_process_set_window(CocoProcess *process, CocoWindowSize size);
CocoStdio *coco_process_stdio(const CocoProcess *process);

/* What an exec will run, between Exec which brings it and Start which sends it. spec: (transfer
 * full) both ways; NULL when it was taken. */
void coco_process_set_spec(CocoProcess *process, Grpc__Process *spec);
Grpc__Process *coco_process_steal_spec(CocoProcess *process);

CocoProcessState coco_process_state(const CocoProcess *process);
uint32_t coco_process_exit_status(const CocoProcess *process); /* 0 until STOPPED */
int64_t
coco_process_exited_at(const CocoProcess *process); /* µs since the epoch; 0 until STOPPED */

/* Moves on; FALSE when the event is refused. Not for EXIT and START_FAILED: those have a status. */
bool coco_process_step(CocoProcess *process, CocoProcessEvent event);

/* EXIT or START_FAILED with the status that will be reported: answers everyone who waits, ends the
 * input. FALSE, and nothing done, when it was stopped already. */
bool coco_process_stop(CocoProcess *process, CocoProcessEvent event, uint32_t exit_status);

/* Calls func once: at once, unless its start is under way. Then when that was told, or has failed.
 * An exit may be known before the answer to the start, but is never told before. */
typedef void (*CocoProcessStartToldFunc)(void *user_data);
void coco_process_when_start_told(CocoProcess *process, CocoProcessStartToldFunc func,
                                  void *user_data);
void coco_process_start_told(CocoProcess *process);

/* Answers call (transfer full) with the exit, now or when it comes, unless its caller gives up
 * before. */
void coco_process_wait(CocoProcess *process, CocoTtrpcCall *call);

/* True for the first caller only: one Delete works on a process, any other comes too late. */
bool coco_process_begin_delete(CocoProcess *process);

/* What to do when the output streams have ended, or the process lets go of them; runs once, at once
 * if they have ended already. */
typedef void (*CocoProcessDrainedFunc)(CocoProcess *process, void *user_data);
void coco_process_when_drained(CocoProcess *process, CocoProcessDrainedFunc func, void *user_data);

void coco_process_start_stdio(CocoProcess *process, CocoTtrpcClient *agent);

/* Nothing more comes from the guest: lets go of the fifos when they have what came. */
void coco_process_finish_stdio(CocoProcess *process);

/* Lets go of the fifos at once. */
void coco_process_stop_stdio(CocoProcess *process);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoProcess, coco_process_unref)

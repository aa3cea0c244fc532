// SPDX-License-Identifier: Apache-2.0
/*
 * The stdio of one process: moves bytes between the fifos that containerd made and the agent.
 *
 * Output is pulled: the next ReadStdout goes out only when the last answer is in the fifo. So a
 * slow reader slows the process in the guest and nothing else, and at most one answer a stream is
 * held in memory. Input is pushed one WriteStdin at a time. End of input is told to the guest after
 * coco_stdio_close_input() and once the fifo has run dry, as runc's shim does: a client that only
 * goes away is a detach.
 *
 * Ownership: reference counted, since calls to the agent are under way while others let go.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-client.h"
#include "shim/host/signals.h"

typedef struct _CocoStdio CocoStdio;

/* error: NULL, or why the process cannot have these streams. */
typedef void (*CocoStdioOpenedFunc)(const GError *error, void *user_data);

/* Runs once, when the last output stream has ended (also when there is none). */
typedef void (*CocoStdioDrainedFunc)(void *user_data);

typedef struct {
    const char *container_id;
    const char *exec_id;  /* as the agent knows the process */
    const char *ns;       /* containerd's; for a logging driver */
    CocoSignals *signals; /* likewise; outlives the streams */
    const char *in;
    const char *out;
    const char *err; /* ignored with a terminal */
    bool terminal;
} CocoStdioConfig;

CocoStdio *coco_stdio_new(const CocoStdioConfig *config);
CocoStdio *coco_stdio_ref(CocoStdio *stdio);
void coco_stdio_unref(CocoStdio *stdio);

/* Opens the paths, a fifo for input excepted, and starts the logging driver, if that is what they
 * name. func runs once, when it is ready or has failed: perhaps before this returns. For the errors
 * see stdio-path.h and log-driver.h. */
void coco_stdio_open(CocoStdio *stdio, CocoStdioOpenedFunc func, void *user_data);

/* Starts moving bytes; agent: (transfer none), must live until coco_stdio_stop() or the streams'
 * end. NULL for one that is gone already: then the streams have ended. */
void coco_stdio_start(CocoStdio *stdio, CocoTtrpcClient *agent, CocoStdioDrainedFunc func,
                      void *user_data);

/* Opens the fifo for input; to be called when the process is started and not before. The client's
 * end opens with ours, and ctr forgets an end of file that it reads before it has the answer to
 * Create: `echo hello | ctr run … cat` would wait for ever. */
void coco_stdio_open_input(CocoStdio *stdio);

/* The caller of CloseIO has written all it will. */
void coco_stdio_close_input(CocoStdio *stdio);

/* The process is gone: no input goes to it any more. Output goes on to its end. */
void coco_stdio_end_input(CocoStdio *stdio);

/* The process has ended: calls func once when none of its output is on the way any more. That is at
 * the end of its streams, or earlier: when a process that it left behind keeps a stream open but
 * nothing comes, or comes on and on, or when nobody has read the fifo for a while. Clients stop
 * reading when they hear of the exit, so it must not be reported before. */
void coco_stdio_settle(CocoStdio *stdio, CocoStdioDrainedFunc func, void *user_data);

/* Lets go of fifos and agent at once; drained is not reported any more. Idempotent. */
void coco_stdio_stop(CocoStdio *stdio);

/* The agent is gone: the streams end when what it handed over is in the fifos. */
void coco_stdio_finish(CocoStdio *stdio);

/* Bytes of output that were written so far: whether its reader is alive. */
uint64_t coco_stdio_moved(const CocoStdio *stdio);

/* After coco_stdio_stop() or the streams' end: ends the logging driver; func runs when it is gone,
 * before this returns if there is none. */
void coco_stdio_end_driver(CocoStdio *stdio, void (*func)(void *user_data), void *user_data);

bool coco_stdio_is_drained(const CocoStdio *stdio);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoStdio, coco_stdio_unref)

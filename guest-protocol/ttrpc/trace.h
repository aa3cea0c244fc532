// SPDX-License-Identifier: Apache-2.0
/*
 * How long each hop of a call takes: "trace: served ExecProcess 1234 us". Off, and then free of
 * cost, unless $COCO_TRACE is set: for the shim in containerd's environment, for the agent as
 * COCO_TRACE=1 on the guest's command line, which the kernel hands to PID 1. tests/bench --trace
 * reads it.
 *
 * Lines are logged when the loop has nothing better to do, so that writing one does not become part
 * of the next.
 *
 * Ownership: hop and object are copied. Thread: that of the default main context.
 */
#pragma once

#include <stdint.h>

/* Now, in microseconds, or 0 when off. */
int64_t coco_trace_begin(void);

/* Nothing happens when begin is 0. hop: what was done, object: to what. */
void coco_trace_end(int64_t begin, const char *hop, const char *object);

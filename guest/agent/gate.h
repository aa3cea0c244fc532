// SPDX-License-Identifier: Apache-2.0
/*
 * The one place that every request of the agent's service passes before its handler. Whoever judges
 * requests (a policy) gets the unpacked message and may answer at once or later; the request waits,
 * and so do those that came after it on the same connection: none overtakes an earlier one. A
 * request that is denied, or not judged in time, is answered with PERMISSION_DENIED and one line
 * that names it. Without a judge everything is allowed at once.
 *
 * Ownership: the gate owns the calls that wait. The judge must outlive the gate, or be taken away.
 * Thread: that of the server.
 */
#pragma once

#include <stdbool.h>

#include "guest-protocol/ttrpc/ttrpc-call.h"

/* How long a request may wait for its verdict. */
#define COCO_GATE_TIMEOUT_MS 10000

typedef struct _CocoGate CocoGate;
typedef struct _CocoGateTicket CocoGateTicket;

/* name: as Kata's policies call it, "CreateContainerRequest". request: (transfer none), valid until
 * the ticket is answered or its cancellable fires. ticket: (transfer full), to be given to
 * coco_gate_answer() once. */
typedef void (*CocoGateJudge)(const char *name, const ProtobufCMessage *request,
                              CocoGateTicket *ticket, void *user_data);

CocoGate *coco_gate_new(void);
/* Denies what waits. NULL is fine. Tickets that are still out may be answered later. */
void coco_gate_free(CocoGate *gate);

/* judge: NULL allows everything. Requests that wait already keep their judge. */
void coco_gate_set_judge(CocoGate *gate, CocoGateJudge judge, void *user_data);

/* For tests; the default is COCO_GATE_TIMEOUT_MS. */
void coco_gate_set_timeout(CocoGate *gate, unsigned int timeout_ms);

/* Runs the method's handler with the call and user_data when the request may pass, else fails the
 * call. call: (transfer full). */
void coco_gate_pass(CocoGate *gate, CocoTtrpcCall *call, const CocoTtrpcMethod *method,
                    void *user_data);

/* Fires when nobody waits for the verdict any more. (transfer none) */
GCancellable *coco_gate_ticket_get_cancellable(CocoGateTicket *ticket);

/* ticket: (transfer full). reason: nullable, of a denial. After the time has passed, or the gate
 * has gone, this does nothing. */
void coco_gate_answer(CocoGateTicket *ticket, bool allowed, const char *reason);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoGate, coco_gate_free)

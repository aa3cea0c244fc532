// SPDX-License-Identifier: Apache-2.0
/*
 * A queue of tickets for each connection that has requests waiting. Each is shown to the judge as
 * it comes; verdicts may come in any order, and the head of the queue leaves it when it has one.
 *
 * A handler may bring the next request in (its answer makes room for more), so a ticket leaves its
 * queue before its handler runs, and queues are looked up anew.
 */
#include "guest/agent/gate.h"

typedef enum {
    COCO_GATE_WAITS,
    COCO_GATE_ALLOWED,
    COCO_GATE_DENIED,
} Verdict;

struct _CocoGateTicket {
    CocoGate *gate;      /* NULL: the ticket is void */
    const void *queue;   /* the connection, for its address alone */
    CocoTtrpcCall *call; /* NULL when it has left the queue */
    const CocoTtrpcMethod *method;
    void *user_data;
    GCancellable *cancellable;
    Verdict verdict;
    char *reason;
    bool is_shown; /* the judge has it before its eyes right now */
    guint timeout_id;
    unsigned int refs; /* the queue's and the judge's */
};

struct _CocoGate {
    CocoGateJudge judge;
    void *judge_data;
    unsigned int timeout_ms;
    GHashTable *queues; /* connection -> GQueue of CocoGateTicket */
};

static void
ticket_unref(CocoGateTicket *ticket)
{
    if (--ticket->refs > 0)
        return;
    g_object_unref(ticket->cancellable);
    g_free(ticket->reason);
    g_free(ticket);
}

/* One line, whoever wrote the reason. */
static void
deny(const CocoGateTicket *ticket, CocoTtrpcCall *call)
{
    g_autofree char *reason = g_strdup(ticket->reason != NULL ? ticket->reason : "");

    for (char *c = reason; *c != '\0'; c++)
        *c = g_ascii_iscntrl(*c) ? ' ' : *c;
    coco_ttrpc_call_fail(call, COCO_TTRPC_PERMISSION_DENIED, "%s is not allowed%s%s",
                         ticket->method->request->short_name, *reason != '\0' ? ": " : "", reason);
}

/* ticket: (transfer full), of the queue. Nobody waits for a request whose caller has gone; then
 * nothing is done for it. */
static void
leave(CocoGateTicket *ticket)
{
    CocoTtrpcCall *call = g_steal_pointer(&ticket->call);

    g_clear_handle_id(&ticket->timeout_id, g_source_remove);
    if (ticket->verdict != COCO_GATE_ALLOWED)
        deny(ticket, call);
    else if (g_cancellable_is_cancelled(ticket->cancellable))
        coco_ttrpc_call_fail(call, COCO_TTRPC_CANCELLED, "caller is gone");
    else
        ticket->method->handler(call, ticket->user_data);
    ticket_unref(ticket);
}

static void
let_go(CocoGate *gate, const void *key)
{
    GQueue *queue;

    while ((queue = g_hash_table_lookup(gate->queues, key)) != NULL) {
        const CocoGateTicket *head = g_queue_peek_head(queue);

        if (head == NULL) {
            g_hash_table_remove(gate->queues, key);
            return;
        }
        if (head->verdict == COCO_GATE_WAITS)
            return;
        leave(g_queue_pop_head(queue));
    }
}

static void
decide(CocoGateTicket *ticket, bool allowed, const char *reason)
{
    if (ticket->gate == NULL || ticket->verdict != COCO_GATE_WAITS)
        return;
    ticket->verdict = allowed ? COCO_GATE_ALLOWED : COCO_GATE_DENIED;
    ticket->reason = g_strdup(reason);
    g_clear_handle_id(&ticket->timeout_id, g_source_remove);
    if (!ticket->is_shown)
        let_go(ticket->gate, ticket->queue);
}

static gboolean
on_timeout(void *user_data)
{
    CocoGateTicket *ticket = user_data;
    /* Kept here: a cancelled judge may give its ticket back. */
    g_autoptr(GCancellable) cancellable = g_object_ref(ticket->cancellable);

    ticket->timeout_id = 0;
    decide(ticket, false, "no verdict in time");
    g_cancellable_cancel(cancellable);
    return G_SOURCE_REMOVE;
}

static void
free_queue(void *data)
{
    GQueue *queue = data;
    CocoGateTicket *ticket;

    while ((ticket = g_queue_pop_head(queue)) != NULL) {
        ticket->gate = NULL;
        ticket->verdict = COCO_GATE_DENIED;
        leave(ticket);
    }
    g_queue_free(queue);
}

CocoGate *
coco_gate_new(void)
{
    CocoGate *gate = g_new0(CocoGate, 1);

    gate->timeout_ms = COCO_GATE_TIMEOUT_MS;
    gate->queues = g_hash_table_new_full(NULL, NULL, NULL, free_queue);
    return gate;
}

void
coco_gate_free(CocoGate *gate)
{
    if (gate == NULL)
        return;
    g_hash_table_unref(gate->queues);
    g_free(gate);
}

void
coco_gate_set_judge(CocoGate *gate, CocoGateJudge judge, void *user_data)
{
    gate->judge = judge;
    gate->judge_data = user_data;
}

void
coco_gate_set_timeout(CocoGate *gate, unsigned int timeout_ms)
{
    gate->timeout_ms = timeout_ms;
}

static CocoGateTicket *
ticket_new(CocoGate *gate, CocoTtrpcCall *call, const CocoTtrpcMethod *method, void *user_data)
{
    CocoGateTicket *ticket = g_new0(CocoGateTicket, 1);

    ticket->gate = gate;
    ticket->queue = coco_ttrpc_call_get_connection(call);
    ticket->call = call;
    ticket->method = method;
    ticket->user_data = user_data;
    ticket->cancellable = g_object_ref(coco_ttrpc_call_get_cancellable(call));
    ticket->refs = 1;
    return ticket;
}

static void
show(CocoGate *gate, CocoGateTicket *ticket)
{
    ticket->refs += 2; /* the judge's, and one for here */
    ticket->is_shown = true;
    gate->judge(ticket->method->request->short_name, coco_ttrpc_call_get_request(ticket->call),
                ticket, gate->judge_data);
    ticket->is_shown = false;
    if (ticket->verdict == COCO_GATE_WAITS)
        ticket->timeout_id = g_timeout_add(gate->timeout_ms, on_timeout, ticket);
    ticket_unref(ticket);
}

void
coco_gate_pass(CocoGate *gate, CocoTtrpcCall *call, const CocoTtrpcMethod *method, void *user_data)
{
    const void *key = coco_ttrpc_call_get_connection(call);
    GQueue *queue = g_hash_table_lookup(gate->queues, key);
    CocoGateTicket *ticket;

    if (queue == NULL && gate->judge == NULL) {
        method->handler(call, user_data);
        return;
    }
    if (queue == NULL) {
        queue = g_queue_new();
        g_hash_table_insert(gate->queues, (void *) (uintptr_t) key, queue);
    }
    ticket = ticket_new(gate, call, method, user_data);
    g_queue_push_tail(queue, ticket);
    if (gate->judge != NULL)
        show(gate, ticket);
    else
        ticket->verdict = COCO_GATE_ALLOWED;
    let_go(gate, key);
}

GCancellable *
coco_gate_ticket_get_cancellable(CocoGateTicket *ticket)
{
    return ticket->cancellable;
}

void
coco_gate_answer(CocoGateTicket *ticket, bool allowed, const char *reason)
{
    decide(ticket, allowed, reason);
    ticket_unref(ticket);
}

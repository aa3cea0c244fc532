// SPDX-License-Identifier: Apache-2.0
/*
 * Whether the agent of a VM still speaks. It is asked only while somebody waits for it: when a call
 * has had no answer for a while and nothing else came either, a Health.Check goes out. Whatever
 * comes then, for whomever, says that the agent lives: a call may take its time.
 *
 * Nothing here ends the VM; a guest may be slow. Who needs an answer within a bound looks at the
 * silence.
 *
 * Ownership: the caller owns the object; the client is lent and outlives it.
 * Thread: main.
 */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "guest-protocol/ttrpc/ttrpc-client.h"

/* A call without an answer for that long has the agent asked whether it lives. */
#define COCO_WATCHDOG_OVERDUE_MS 1000

typedef struct _CocoWatchdog CocoWatchdog;

CocoWatchdog *coco_watchdog_new(CocoTtrpcClient *agent);
void coco_watchdog_free(CocoWatchdog *watchdog);

/* A call goes out whose answer is awaited: not one that may rightly stay open, as Wait. */
void coco_watchdog_note_call(CocoWatchdog *watchdog);

/* Asks at once. */
void coco_watchdog_ask(CocoWatchdog *watchdog);

/* How long the agent has said nothing although it was asked; 0: it owes nothing. */
int64_t coco_watchdog_silence_us(const CocoWatchdog *watchdog);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoWatchdog, coco_watchdog_free)

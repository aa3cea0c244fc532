// SPDX-License-Identifier: Apache-2.0
/*
 * Signals of the shim's server, taken from a signalfd on the main loop: SIGCHLD reaps (the shim is
 * a subreaper, so QEMU and virtiofsd become its children when the launcher exits), SIGTERM and
 * SIGINT ask it to stop. g_unix_signal_add() is not used: it starts a thread and has no SIGCHLD.
 *
 * Ownership: one CocoSignals per process owns the signal mask while it lives.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _CocoSignals CocoSignals;

/* status: as from waitpid(). */
typedef void (*CocoChildFunc)(pid_t pid, int status, void *user_data);
typedef void (*CocoTermFunc)(void *user_data);

/* NULL with error set if the kernel refuses. */
CocoSignals *coco_signals_new(CocoTermFunc on_term, void *user_data, GError **error);
void coco_signals_free(CocoSignals *signals);

/* Calls func once when pid, a child of ours, has ended; func NULL forgets it. A child nobody
 * watches is reaped silently. */
void coco_signals_watch_child(CocoSignals *signals, pid_t pid, CocoChildFunc func, void *user_data);

/* In a forked child, before exec: gives it the usual signal mask and dispositions. */
void coco_signals_reset_in_child(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoSignals, coco_signals_free)

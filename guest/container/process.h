// SPDX-License-Identifier: Apache-2.0
/*
 * One process of a container, its init or an exec: streams, exit status, those who wait for it,
 * signals.
 *
 *     new --started--> running --exited--> exited        (new --exited--> exited when it never ran)
 *
 * Output stays readable after the exit, and the status can be asked for again, until the last
 * reference goes. A grandchild that keeps a pipe open keeps only the stream open, never the wait.
 *
 * Ownership: counted. The process owns its streams.
 * Thread: that of the thread-default main context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <gio/gio.h>

#include "guest/container/stdio.h"

/* Waits that may be pending on one process. */
#define COCO_PROCESS_WAITERS_MAX 1024

typedef struct _CocoGuestProcess CocoGuestProcess;

/* error: NULL on success; runs once, may run at once. */
typedef void (*CocoGuestProcessWaitFunc)(int exit_code, const GError *error, void *user_data);

CocoGuestProcess *coco_guest_process_new(const char *exec_id, const char *command, bool terminal);
CocoGuestProcess *coco_guest_process_ref(CocoGuestProcess *process);
void coco_guest_process_unref(CocoGuestProcess *process);

const char *coco_guest_process_get_exec_id(const CocoGuestProcess *process);
/* args[0], for error texts. */
const char *coco_guest_process_get_command(const CocoGuestProcess *process);
bool coco_guest_process_has_terminal(const CocoGuestProcess *process);
/* 0 before it started. */
pid_t coco_guest_process_get_pid(const CocoGuestProcess *process);
bool coco_guest_process_is_running(const CocoGuestProcess *process);
bool coco_guest_process_has_exited(const CocoGuestProcess *process);

/* Makes the pipes; out_child gets the child's ends (caller owns). Not for a process with a
 * terminal. */
bool coco_guest_process_open_pipes(CocoGuestProcess *process, int out_child[3], GError **error);
/* master (takes): the terminal's master end. */
bool coco_guest_process_set_terminal(CocoGuestProcess *process, int master, GError **error);

void coco_guest_process_started(CocoGuestProcess *process, pid_t pid);
/* wait_status as waitpid() gives it. */
void coco_guest_process_exited(CocoGuestProcess *process, int wait_status);

void coco_guest_process_wait(CocoGuestProcess *process, GCancellable *cancellable,
                             CocoGuestProcessWaitFunc func, void *user_data);

/* Errors: INVALID_ARGUMENT (no such signal), FAILED_PRECONDITION (not started), NOT_FOUND (already
 * finished). */
bool coco_guest_process_signal(CocoGuestProcess *process, uint32_t signal, GError **error);
bool coco_guest_process_resize(CocoGuestProcess *process, uint32_t rows, uint32_t columns,
                               GError **error);

/* NULL when there is none: not opened, or stderr of a terminal. (transfer none) */
CocoOutput *coco_guest_process_get_output(CocoGuestProcess *process, bool standard_error);
CocoInput *coco_guest_process_get_input(CocoGuestProcess *process);
/* Nothing on a terminal, whose end of input is a character that its user types. */
void coco_guest_process_close_input(CocoGuestProcess *process);

/* True if the text of /proc/PID/status says that the process is init of its own pid namespace and
 * that the kernel would therefore drop this signal: default action, not ignored, not blocked. */
bool coco_guest_process_init_would_drop(const char *status, int signal);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoGuestProcess, coco_guest_process_unref)

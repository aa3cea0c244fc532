// SPDX-License-Identifier: Apache-2.0
/*
 * The life of one process. Pids are safe to signal here: only this program's reaper collects them,
 * on this thread, so a pid that is "running" cannot have been given to anybody else.
 *
 * The kernel drops a signal whose default action would kill the init of a pid namespace (signal(7):
 * SIGNAL_UNKILLABLE). `ctr task kill` must end such a container with 128 + signal all the same, so
 * for those the process gets SIGKILL and the exit is reported as if the signal had acted.
 */
#include "guest/container/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/reaper.h"

typedef struct {
    GCancellable *cancellable;
    CocoGuestProcessWaitFunc func;
    void *user_data;
} Waiter;

struct _CocoGuestProcess {
    grefcount refs;
    char *exec_id;
    char *command;
    bool terminal;
    pid_t pid;
    bool exited;
    int exit_code;
    int emulated_signal;
    GQueue waiters;
    CocoInput *input;
    CocoOutput *outputs[2];
    CocoFd console;
};

CocoGuestProcess *
coco_guest_process_new(const char *exec_id, const char *command, bool terminal)
{
    CocoGuestProcess *process = g_new0(CocoGuestProcess, 1);

    g_ref_count_init(&process->refs);
    process->exec_id = g_strdup(exec_id);
    process->command = g_strdup(command);
    process->terminal = terminal;
    process->console = -1;
    g_queue_init(&process->waiters);
    return process;
}

CocoGuestProcess *
coco_guest_process_ref(CocoGuestProcess *process)
{
    g_ref_count_inc(&process->refs);
    return process;
}

static void
waiter_end(Waiter *waiter, int exit_code, const GError *error)
{
    waiter->func(exit_code, error, waiter->user_data);
    g_clear_object(&waiter->cancellable);
    g_free(waiter);
}

static void
waiter_fail(Waiter *waiter, CocoTtrpcCode code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, (int) code, text);

    waiter_end(waiter, 0, error);
}

void
coco_guest_process_unref(CocoGuestProcess *process)
{
    Waiter *waiter;

    if (process == NULL || !g_ref_count_dec(&process->refs))
        return;
    while ((waiter = g_queue_pop_head(&process->waiters)) != NULL)
        waiter_fail(waiter, COCO_TTRPC_NOT_FOUND, "the process was removed");
    g_clear_pointer(&process->input, coco_input_free);
    g_clear_pointer(&process->outputs[0], coco_output_free);
    g_clear_pointer(&process->outputs[1], coco_output_free);
    coco_fd_clear(&process->console);
    g_free(process->exec_id);
    g_free(process->command);
    g_free(process);
}

const char *
coco_guest_process_get_exec_id(const CocoGuestProcess *process)
{
    return process->exec_id;
}

const char *
coco_guest_process_get_command(const CocoGuestProcess *process)
{
    return process->command;
}

bool
coco_guest_process_has_terminal(const CocoGuestProcess *process)
{
    return process->terminal;
}

pid_t
coco_guest_process_get_pid(const CocoGuestProcess *process)
{
    return process->pid;
}

bool
coco_guest_process_is_running(const CocoGuestProcess *process)
{
    return process->pid > 0 && !process->exited;
}

bool
coco_guest_process_has_exited(const CocoGuestProcess *process)
{
    return process->exited;
}

bool
coco_guest_process_open_pipes(CocoGuestProcess *process, int out_child[3], GError **error)
{
    int agent;

    if (!coco_stdio_pipe(false, &agent, &out_child[0], error))
        return false;
    process->input = coco_input_new(agent);
    for (int i = 0; i < 2; i++) {
        if (!coco_stdio_pipe(true, &agent, &out_child[i + 1], error)) {
            for (int j = 0; j <= i; j++)
                coco_fd_clear(&out_child[j]);
            return false;
        }
        process->outputs[i] = coco_output_new(agent);
    }
    return true;
}

bool
coco_guest_process_set_terminal(CocoGuestProcess *process, int master, GError **error)
{
    g_auto(CocoFd) console = master;
    g_auto(CocoFd) reader = fcntl(console, F_DUPFD_CLOEXEC, 3);
    g_auto(CocoFd) writer = fcntl(console, F_DUPFD_CLOEXEC, 3);

    /* One open file for all three, so not blocking holds for all. */
    if (reader < 0 || writer < 0 || fcntl(console, F_SETFL, O_NONBLOCK) < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "take terminal: %s",
                                 g_strerror(errno));
    process->console = coco_fd_steal(&console);
    process->outputs[0] = coco_output_new(coco_fd_steal(&reader));
    process->input = coco_input_new(coco_fd_steal(&writer));
    return true;
}

void
coco_guest_process_started(CocoGuestProcess *process, pid_t pid)
{
    process->pid = pid;
}

void
coco_guest_process_exited(CocoGuestProcess *process, int wait_status)
{
    Waiter *waiter;

    process->exited = true;
    process->exit_code = coco_reaper_exit_code(wait_status);
    if (process->emulated_signal != 0 && WIFSIGNALED(wait_status) &&
        WTERMSIG(wait_status) == SIGKILL)
        process->exit_code = 128 + process->emulated_signal;
    (void) coco_guest_process_ref(process);
    while ((waiter = g_queue_pop_head(&process->waiters)) != NULL)
        waiter_end(waiter, process->exit_code, NULL);
    coco_guest_process_unref(process);
}

/* Waits whose caller is gone are dropped when a new one comes, so they cannot pile up. */
static void
drop_cancelled(CocoGuestProcess *process)
{
    unsigned int n = g_queue_get_length(&process->waiters);

    while (n-- > 0) {
        Waiter *waiter = g_queue_pop_head(&process->waiters);

        if (waiter->cancellable != NULL && g_cancellable_is_cancelled(waiter->cancellable))
            waiter_fail(waiter, COCO_TTRPC_CANCELLED, "caller is gone");
        else
            g_queue_push_tail(&process->waiters, waiter);
    }
}

void
coco_guest_process_wait(CocoGuestProcess *process, GCancellable *cancellable,
                        CocoGuestProcessWaitFunc func, void *user_data)
{
    Waiter *waiter = g_new0(Waiter, 1);

    waiter->cancellable = cancellable != NULL ? g_object_ref(cancellable) : NULL;
    waiter->func = func;
    waiter->user_data = user_data;
    drop_cancelled(process);
    if (process->exited)
        waiter_end(waiter, process->exit_code, NULL);
    else if (g_queue_get_length(&process->waiters) >= COCO_PROCESS_WAITERS_MAX)
        waiter_fail(waiter, COCO_TTRPC_RESOURCE_EXHAUSTED, "too many wait for this process");
    else
        g_queue_push_tail(&process->waiters, waiter);
}

static bool
status_mask_has(const char *status, const char *key, int signal)
{
    const char *line = strstr(status, key);

    return line != NULL &&
           (g_ascii_strtoull(line + strlen(key), NULL, 16) >> (signal - 1) & 1) != 0;
}

static bool
default_is_to_end(int signal)
{
    static const int others[] = { SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP,
                                  SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH };

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        if (signal == others[i])
            return false;
    }
    return true;
}

/* "NSpid:\t123\t1": its number in our namespace and, last, in its own. */
static bool
is_namespace_init(const char *status)
{
    const char *line = strstr(status, "\nNSpid:");
    g_autofree char *numbers = NULL;
    const char *last;

    if (line == NULL)
        return false;
    line += strlen("\nNSpid:");
    numbers = g_strndup(line, strcspn(line, "\n"));
    last = strrchr(g_strstrip(numbers), '\t');
    return last != NULL && strcmp(last, "\t1") == 0;
}

bool
coco_guest_process_init_would_drop(const char *status, int signal)
{
    return signal != SIGKILL && default_is_to_end(signal) && is_namespace_init(status) &&
           !status_mask_has(status, "\nSigCgt:\t", signal) &&
           !status_mask_has(status, "\nSigIgn:\t", signal) &&
           !status_mask_has(status, "\nSigBlk:\t", signal);
}

bool
coco_guest_process_signal(CocoGuestProcess *process, uint32_t signal, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", process->pid);
    g_autofree char *status = NULL;
    int number = (int) signal;

    if (signal > (uint32_t) SIGRTMAX)
        return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "no signal %u", signal);
    if (process->exited)
        return coco_ttrpc_failed(error, COCO_TTRPC_NOT_FOUND, "process already finished");
    if (process->pid == 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_FAILED_PRECONDITION, "process is not started");
    if (number > 0 && g_file_get_contents(path, &status, NULL, NULL) &&
        coco_guest_process_init_would_drop(status, number)) {
        process->emulated_signal = number;
        number = SIGKILL;
    }
    if (kill(process->pid, number) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR,
                    errno == ESRCH ? COCO_TTRPC_NOT_FOUND : COCO_TTRPC_INTERNAL,
                    "signal process: %s", g_strerror(errno));
        return false;
    }
    return true;
}

bool
coco_guest_process_resize(CocoGuestProcess *process, uint32_t rows, uint32_t columns,
                          GError **error)
{
    struct winsize size = {
        .ws_row = (unsigned short) MIN(rows, G_MAXUSHORT),
        .ws_col = (unsigned short) MIN(columns, G_MAXUSHORT),
    };

    if (process->console < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_FAILED_PRECONDITION, "process has no terminal");
    if (ioctl(process->console, TIOCSWINSZ, &size) < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "resize terminal: %s",
                                 g_strerror(errno));
    return true;
}

CocoOutput *
coco_guest_process_get_output(CocoGuestProcess *process, bool standard_error)
{
    return process->outputs[standard_error ? 1 : 0];
}

CocoInput *
coco_guest_process_get_input(CocoGuestProcess *process)
{
    return process->input;
}

void
coco_guest_process_close_input(CocoGuestProcess *process)
{
    if (process->input != NULL && !process->terminal)
        coco_input_close(process->input);
}

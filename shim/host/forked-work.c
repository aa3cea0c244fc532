// SPDX-License-Identifier: Apache-2.0
/*
 * The child reports through a page that both have mapped, so there is no descriptor that could fill
 * up or stay open; that it is done is told by its end. Even SIGKILL does not end a child that waits
 * inside the kernel for a server that is gone, so it is waited for a moment only.
 */
#include "shim/host/forked-work.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/proto/ttrpc-error.h"

#define DEATH_TIMEOUT_MS 1000

struct _CocoForkedReport {
    bool failed;
    int code;
    char domain[64];
    char step[512];
    char message[3072];
};

struct _CocoForkedWork {
    CocoSignals *signals;
    CocoForkedReport *report;
    pid_t pid;
    unsigned int timeout_ms;
    unsigned int timer;
    GError *given_up; /* why the child was killed */
    CocoForkedWorkDone done;
    void *user_data;
};

void
coco_forked_report_step(CocoForkedReport *report, const char *step)
{
    if (report != NULL)
        (void) g_strlcpy(report->step, step, sizeof(report->step));
}

static void
finish(CocoForkedWork *work, const GError *error)
{
    g_clear_handle_id(&work->timer, g_source_remove);
    work->done(error, work->user_data);
    (void) munmap(work->report, sizeof(*work->report));
    g_clear_error(&work->given_up);
    g_free(work);
}

static void
on_ended(pid_t pid, int status, void *user_data)
{
    CocoForkedWork *work = user_data;
    const CocoForkedReport *report = work->report;
    g_autoptr(GError) error = NULL;

    if (work->given_up != NULL)
        error = g_error_copy(work->given_up);
    else if (report->failed)
        error =
            g_error_new_literal(g_quark_from_string(report->domain), report->code, report->message);
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        error = g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "%s: process %d ended with status 0x%x",
                            report->step, pid, (unsigned int) status);
    finish(work, error);
}

/* Its end, whenever that is, is nobody's any more. */
static gboolean
on_not_dead(void *user_data)
{
    CocoForkedWork *work = user_data;

    work->timer = 0;
    coco_signals_watch_child(work->signals, work->pid, NULL, NULL);
    finish(work, work->given_up);
    return G_SOURCE_REMOVE;
}

/* reason: (transfer full). The pid is still the child's: on_ended() would have freed the work. */
static void
give_up(CocoForkedWork *work, GError *reason)
{
    work->given_up = reason;
    g_clear_handle_id(&work->timer, g_source_remove);
    (void) kill(work->pid, SIGKILL);
    work->timer = g_timeout_add(DEATH_TIMEOUT_MS, on_not_dead, work);
}

static gboolean
on_timeout(void *user_data)
{
    CocoForkedWork *work = user_data;

    work->timer = 0;
    give_up(work, g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                              "%s: no answer within %u ms", work->report->step, work->timeout_ms));
    return G_SOURCE_REMOVE;
}

void
coco_forked_work_cancel(CocoForkedWork *work)
{
    if (work->given_up == NULL)
        give_up(work, g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED,
                                  "%s: given up before it was done", work->report->step));
}

typedef struct {
    CocoForkedWorkFunc func;
    void *data;
    int fd; /* -1: none */
} Child;

static void run_child(CocoForkedReport *report, pid_t parent, const Child *child) G_GNUC_NORETURN;

/* What it may keep is in its place, and everything else closed. */
static bool
place_descriptors(int fd)
{
    unsigned int first = fd >= 0 ? COCO_FORKED_FD + 1 : COCO_FORKED_FD;

    return (fd < 0 || fd == COCO_FORKED_FD || dup2(fd, COCO_FORKED_FD) >= 0) &&
           close_range(first, ~0U, 0) == 0;
}

/* A descriptor kept open here would keep a stream of the pod from ending. */
static void
run_child(CocoForkedReport *report, pid_t parent, const Child *child)
{
    g_autoptr(GError) error = NULL;

    coco_signals_reset_in_child();
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || !place_descriptors(child->fd))
        _exit(EXIT_FAILURE);
    if (!child->func(report, child->data, &error)) {
        report->code = error->code;
        (void) g_strlcpy(report->domain, g_quark_to_string(error->domain), sizeof(report->domain));
        (void) g_strlcpy(report->message, error->message, sizeof(report->message));
        report->failed = true;
    }
    _exit(EXIT_SUCCESS);
}

CocoForkedWork *
coco_forked_work_start(CocoSignals *signals, CocoForkedWorkFunc func, void *data,
                       unsigned int timeout_ms, CocoForkedWorkDone done, void *user_data,
                       GError **error)
{
    return coco_forked_work_start_telling(signals, func, data, -1, timeout_ms, done, user_data,
                                          error);
}

CocoForkedWork *
coco_forked_work_start_telling(CocoSignals *signals, CocoForkedWorkFunc func, void *data, int fd,
                               unsigned int timeout_ms, CocoForkedWorkDone done, void *user_data,
                               GError **error)
{
    const Child child = { .func = func, .data = data, .fd = fd };
    CocoForkedReport *report =
        mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid();
    pid_t pid = report != MAP_FAILED ? fork() : -1;
    CocoForkedWork *work;

    if (pid == 0)
        run_child(report, parent, &child);
    if (pid < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "start a child process: %s",
                    g_strerror(errno));
        if (report != MAP_FAILED)
            (void) munmap(report, sizeof(*report));
        return NULL;
    }
    work = g_new0(CocoForkedWork, 1);
    *work = (CocoForkedWork){ .signals = signals,
                              .report = report,
                              .pid = pid,
                              .timeout_ms = timeout_ms,
                              .done = done,
                              .user_data = user_data };
    work->timer = g_timeout_add(timeout_ms, on_timeout, work);
    coco_signals_watch_child(signals, pid, on_ended, work);
    return work;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * signalfd on the main loop, and the one place that calls waitpid(-1): nothing else in the shim
 * waits.
 */
#include "shim/host/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"

/* Their default is to end the process, and with it the pod. */
static const int ignored[] = { SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2 };

typedef struct {
    CocoChildFunc func;
    void *user_data;
} Watch;

struct _CocoSignals {
    int fd;
    unsigned int source;
    GHashTable *watches; /* pid -> Watch */
    CocoTermFunc on_term;
    void *user_data;
};

static void
reap(CocoSignals *signals)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        g_autofree Watch *watch = NULL;

        if (g_hash_table_steal_extended(signals->watches, GINT_TO_POINTER(pid), NULL,
                                        (void **) &watch) &&
            watch->func != NULL)
            watch->func(pid, status, watch->user_data);
    }
}

static gboolean
on_signal_ready(int fd, GIOCondition condition, void *user_data)
{
    CocoSignals *signals = user_data;
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof(info)) == (ssize_t) sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            signals->on_term(signals->user_data);
    }
    reap(signals);
    return G_SOURCE_CONTINUE;
}

CocoSignals *
coco_signals_new(CocoTermFunc on_term, void *user_data, GError **error)
{
    CocoSignals *signals;
    sigset_t mask;
    int fd;

    (void) sigemptyset(&mask);
    (void) sigaddset(&mask, SIGCHLD);
    (void) sigaddset(&mask, SIGTERM);
    (void) sigaddset(&mask, SIGINT);
    (void) sigprocmask(SIG_BLOCK, &mask, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(ignored); i++)
        (void) signal(ignored[i], SIG_IGN);
    fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "make signal descriptor: %s",
                    g_strerror(errno));
        return NULL;
    }
    signals = g_new0(CocoSignals, 1);
    signals->fd = fd;
    signals->watches = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    signals->on_term = on_term;
    signals->user_data = user_data;
    signals->source = g_unix_fd_add(fd, G_IO_IN, on_signal_ready, signals);
    return signals;
}

void
coco_signals_free(CocoSignals *signals)
{
    if (signals == NULL)
        return;
    g_clear_handle_id(&signals->source, g_source_remove);
    coco_fd_clear(&signals->fd);
    g_hash_table_unref(signals->watches);
    g_free(signals);
}

void
coco_signals_watch_child(CocoSignals *signals, pid_t pid, CocoChildFunc func, void *user_data)
{
    Watch *watch = g_new(Watch, 1);

    *watch = (Watch){ .func = func, .user_data = user_data };
    g_hash_table_insert(signals->watches, GINT_TO_POINTER(pid), watch);
}

void
coco_signals_reset_in_child(void)
{
    sigset_t none;

    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(ignored); i++)
        (void) signal(ignored[i], SIG_DFL);
}

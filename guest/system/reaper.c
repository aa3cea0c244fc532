// SPDX-License-Identifier: Apache-2.0
/*
 * A handler for SIGCHLD that writes to an eventfd, and waitpid(-1) until nothing is left. GLib's
 * own child watches must not be used in this process: they would not see exits that are collected
 * here. Containers fork without end as fast as we collect, so after COLLECT_MAX everything else has
 * its turn. Not a signalfd: that loses an exit to any thread that does not block SIGCHLD, and
 * threads belong to libraries.
 */
#include "guest/system/reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define COLLECT_MAX 64

typedef struct {
    CocoReaperFunc func;
    void *user_data;
    GSource *early; /* set when the exit came before the watch */
    int wait_status;
    pid_t pid;
    CocoReaper *reaper;
} Watch;

struct _CocoReaper {
    CocoFd wake_fd;
    GSource *source;
    GHashTable *watches; /* pid -> Watch */
    GHashTable *unknown; /* pid -> wait status, only while held */
    unsigned int holders;
};

static int handler_fd = -1; /* the wake_fd of the one reaper */

static void
watch_free(void *data)
{
    Watch *watch = data;

    if (watch->early != NULL) {
        g_source_destroy(watch->early);
        g_source_unref(watch->early);
    }
    g_free(watch);
}

static void
tell(CocoReaper *reaper, pid_t pid, int wait_status)
{
    const Watch *watch = g_hash_table_lookup(reaper->watches, GINT_TO_POINTER(pid));
    CocoReaperFunc func;
    void *user_data;

    if (watch == NULL) {
        if (reaper->holders > 0)
            g_hash_table_insert(reaper->unknown, GINT_TO_POINTER(pid),
                                GINT_TO_POINTER(wait_status));
        return;
    }
    func = watch->func;
    user_data = watch->user_data;
    g_hash_table_remove(reaper->watches, GINT_TO_POINTER(pid));
    func(pid, wait_status, user_data);
}

static void
handle_sigchld(int signal_number)
{
    const uint64_t one = 1;
    int saved = errno;

    (void) signal_number;
    if (write(handler_fd, &one, sizeof one) < 0) {
        /* The counter is full: it wakes the loop all the same. */
    }
    errno = saved;
}

static gboolean
on_wake(int fd, GIOCondition condition, void *user_data)
{
    CocoReaper *reaper = user_data;
    uint64_t count;
    int wait_status;
    pid_t pid;

    /* Signals merge, so that there was one says only that there is something to collect. */
    if (read(fd, &count, sizeof count) < 0)
        return G_SOURCE_CONTINUE;
    for (int n = 0; n < COLLECT_MAX; n++) {
        pid = waitpid(-1, &wait_status, WNOHANG);
        if (pid <= 0)
            return G_SOURCE_CONTINUE;
        tell(reaper, pid, wait_status);
    }
    handle_sigchld(SIGCHLD); /* there may be more */
    return G_SOURCE_CONTINUE;
}

static bool
catch_exits(int wake_fd)
{
    struct sigaction action = { .sa_handler = handle_sigchld,
                                .sa_flags = SA_RESTART | SA_NOCLDSTOP };
    sigset_t mask;

    handler_fd = wake_fd;
    (void) sigemptyset(&mask);
    (void) sigaddset(&mask, SIGCHLD);
    return sigaction(SIGCHLD, &action, NULL) == 0 && sigprocmask(SIG_UNBLOCK, &mask, NULL) == 0;
}

CocoReaper *
coco_reaper_new(GError **error)
{
    g_autoptr(CocoReaper) reaper = g_new0(CocoReaper, 1);

    reaper->watches = g_hash_table_new_full(NULL, NULL, NULL, watch_free);
    reaper->unknown = g_hash_table_new(NULL, NULL);
    reaper->wake_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reaper->wake_fd < 0 || !catch_exits(reaper->wake_fd) ||
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "watch child processes: %s",
                    g_strerror(errno));
        return NULL;
    }
    reaper->source = g_unix_fd_source_new(reaper->wake_fd, G_IO_IN);
    g_source_set_callback(reaper->source, G_SOURCE_FUNC(on_wake), reaper, NULL);
    g_source_attach(reaper->source, g_main_context_get_thread_default());
    return g_steal_pointer(&reaper);
}

void
coco_reaper_free(CocoReaper *reaper)
{
    if (reaper == NULL)
        return;
    if (reaper->source != NULL) {
        g_source_destroy(reaper->source);
        g_source_unref(reaper->source);
    }
    g_hash_table_unref(reaper->watches);
    g_hash_table_unref(reaper->unknown);
    if (handler_fd == reaper->wake_fd) {
        (void) signal(SIGCHLD, SIG_DFL);
        handler_fd = -1;
    }
    coco_fd_clear(&reaper->wake_fd);
    g_free(reaper);
}

static gboolean
on_early(void *user_data)
{
    const Watch *watch = user_data;

    /* tell() frees the watch, and with it the source that runs this; GLib holds the source
     * meanwhile. */
    tell(watch->reaper, watch->pid, watch->wait_status);
    return G_SOURCE_REMOVE;
}

void
coco_reaper_watch(CocoReaper *reaper, pid_t pid, CocoReaperFunc func, void *user_data)
{
    Watch *watch = g_new0(Watch, 1);
    void *status;

    watch->func = func;
    watch->user_data = user_data;
    watch->pid = pid;
    watch->reaper = reaper;
    if (g_hash_table_lookup_extended(reaper->unknown, GINT_TO_POINTER(pid), NULL, &status)) {
        g_hash_table_remove(reaper->unknown, GINT_TO_POINTER(pid));
        watch->wait_status = GPOINTER_TO_INT(status);
        watch->early = g_idle_source_new();
        g_source_set_priority(watch->early, G_PRIORITY_DEFAULT);
        g_source_set_callback(watch->early, on_early, watch, NULL);
        g_source_attach(watch->early, g_main_context_get_thread_default());
    }
    g_hash_table_insert(reaper->watches, GINT_TO_POINTER(pid), watch);
}

void
coco_reaper_unwatch(CocoReaper *reaper, pid_t pid)
{
    g_hash_table_remove(reaper->watches, GINT_TO_POINTER(pid));
    g_hash_table_remove(reaper->unknown, GINT_TO_POINTER(pid));
}

void
coco_reaper_hold(CocoReaper *reaper)
{
    reaper->holders++;
}

void
coco_reaper_release(CocoReaper *reaper)
{
    g_return_if_fail(reaper->holders > 0);
    if (--reaper->holders == 0)
        g_hash_table_remove_all(reaper->unknown);
}

int
coco_reaper_exit_code(int wait_status)
{
    if (WIFSIGNALED(wait_status))
        return 128 + WTERMSIG(wait_status);
    return WEXITSTATUS(wait_status);
}

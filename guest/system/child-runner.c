// SPDX-License-Identifier: Apache-2.0
/*
 * fork() and not posix_spawn(), which cannot take privileges away. Between fork and exec only
 * system calls are made (child-setup.c); what fails there comes back through a pipe that exec
 * closes, so a program that cannot be run is an error of coco_child_run().
 *
 * The output is read as it comes, so nobody blocks on a full pipe. When a child has failed, its own
 * children may still be about to write why: its end is told at the end of the output, or
 * OUTPUT_GRACE_S later.
 *
 * A killed child may be in a system call that nothing interrupts (a request to virtiofs is one,
 * once the host has it). Nobody waits longer than STUCK_S for that; the reaper collects it when it
 * ends.
 */
#include "guest/system/child-runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/child-setup.h"

#define OUTPUT_GRACE_S 5
#define STUCK_S 2
#define READ_SIZE 4096

struct _CocoChild {
    CocoReaper *reaper;
    pid_t pid;
    bool exited;
    CocoChildEnd end;
    GString *output;
    size_t output_max;
    CocoFd output_fd;
    guint output_id;
    guint timeout_id; /* of the deadline, then of the grace or of the kill */
    CocoChildDone done;
    void *user_data;
};

static void
child_free(CocoChild *child)
{
    g_clear_handle_id(&child->output_id, g_source_remove);
    g_clear_handle_id(&child->timeout_id, g_source_remove);
    coco_fd_clear(&child->output_fd);
    (void) g_string_free(child->output, TRUE);
    g_free(child);
}

static void
kill_group(const CocoChild *child)
{
    (void) kill(-child->pid, SIGKILL);
}

static void
finish(CocoChild *child)
{
    CocoReaper *reaper = child->reaper;

    child->end.output = child->output->str;
    child->done(&child->end, child->user_data);
    child_free(child);
    coco_reaper_release(reaper);
}

/* False at the end of the output. */
static bool
read_output(CocoChild *child)
{
    char buffer[READ_SIZE];
    ssize_t got;

    while ((got = read(child->output_fd, buffer, sizeof buffer)) > 0) {
        g_string_append_len(child->output, buffer, got);
        if (child->output->len > child->output_max)
            g_string_erase(child->output, 0, (gssize) (child->output->len - child->output_max));
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    coco_fd_clear(&child->output_fd);
    return false;
}

static gboolean
on_output(int fd, GIOCondition condition, void *user_data)
{
    CocoChild *child = user_data;

    if (read_output(child))
        return G_SOURCE_CONTINUE;
    child->output_id = 0;
    if (child->exited)
        finish(child);
    return G_SOURCE_REMOVE;
}

static gboolean
on_grace_over(void *user_data)
{
    CocoChild *child = user_data;

    child->timeout_id = 0;
    kill_group(child);
    finish(child);
    return G_SOURCE_REMOVE;
}

static void
on_child_exit(pid_t pid, int wait_status, void *user_data)
{
    CocoChild *child = user_data;

    child->exited = true;
    child->end.wait_status = wait_status;
    g_clear_handle_id(&child->timeout_id, g_source_remove);
    if (child->output_fd >= 0 && read_output(child) && wait_status != 0 && !child->end.timed_out &&
        !child->end.cancelled)
        child->timeout_id = g_timeout_add_seconds(OUTPUT_GRACE_S, on_grace_over, child);
    else
        finish(child);
}

static gboolean
on_stuck(void *user_data)
{
    CocoChild *child = user_data;

    child->timeout_id = 0;
    coco_reaper_unwatch(child->reaper, child->pid);
    finish(child);
    return G_SOURCE_REMOVE;
}

static void
kill_child(CocoChild *child)
{
    kill_group(child);
    if (child->exited)
        return;
    g_clear_handle_id(&child->timeout_id, g_source_remove);
    child->timeout_id = g_timeout_add_seconds(STUCK_S, on_stuck, child);
}

static gboolean
on_deadline(void *user_data)
{
    CocoChild *child = user_data;

    child->timeout_id = 0;
    child->end.timed_out = true;
    kill_child(child);
    return G_SOURCE_REMOVE;
}

/* Takes fd. */
static void
watch_output(CocoChild *child, int fd)
{
    child->output_fd = fd;
    if (fd >= 0)
        child->output_id = g_unix_fd_add(fd, G_IO_IN, on_output, child);
}

CocoChild *
coco_child_run(CocoReaper *reaper, const CocoChildJob *job, CocoChildDone done, void *user_data,
               GError **error)
{
    g_auto(CocoFd) output = -1;
    pid_t pid = coco_child_start(job, &output, error);
    CocoChild *child;

    if (pid < 0)
        return NULL;
    child = g_new0(CocoChild, 1);
    child->reaper = reaper;
    child->pid = pid;
    child->end.deadline_s = job->deadline_s;
    child->output = g_string_new(NULL);
    child->output_max = job->output_max;
    child->done = done;
    child->user_data = user_data;
    watch_output(child, coco_fd_steal(&output));
    if (job->deadline_s > 0)
        child->timeout_id = g_timeout_add_seconds(job->deadline_s, on_deadline, child);
    coco_reaper_hold(reaper);
    coco_reaper_unwatch(reaper, pid); /* what was kept of an earlier bearer of this number */
    coco_reaper_watch(reaper, pid, on_child_exit, child);
    return child;
}

void
coco_child_cancel(CocoChild *child)
{
    child->end.cancelled = true;
    kill_child(child);
}

void
coco_child_forget(CocoChild *child)
{
    coco_reaper_unwatch(child->reaper, child->pid);
    coco_reaper_release(child->reaper);
    child_free(child);
}

char *
coco_child_end_text(const CocoChildEnd *end)
{
    if (end->cancelled)
        return g_strdup("cancelled");
    if (end->timed_out)
        return g_strdup_printf("not done after %u s", end->deadline_s);
    if (WIFSIGNALED(end->wait_status))
        return g_strdup_printf("killed by signal %d (%s)", WTERMSIG(end->wait_status),
                               g_strsignal(WTERMSIG(end->wait_status)));
    if (WEXITSTATUS(end->wait_status) != 0)
        return g_strdup_printf("exit status %d", WEXITSTATUS(end->wait_status));
    return NULL;
}

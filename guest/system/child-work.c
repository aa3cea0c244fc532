// SPDX-License-Identifier: Apache-2.0
/*
 * The error's code is the exit status, its text the output.
 */
#include "guest/system/child-work.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/child-runner.h"

#define OUTPUT_FD 3
#define OUTPUT_MAX (1 << 20)

struct _CocoChildWorkRun {
    CocoChildWork work;
    CocoChild *child;
    CocoChildWorkDone done;
    void *user_data;
};

/* ---- in the child ---- */

static bool
write_all(const char *text)
{
    size_t length = strlen(text);

    while (length > 0) {
        ssize_t put = write(OUTPUT_FD, text, length);

        if (put <= 0)
            return false;
        text += put;
        length -= (size_t) put;
    }
    return true;
}

static int
work_in_child(void *data)
{
    const CocoChildWorkRun *run = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = run->work.func(run->work.data, &error);

    if (!write_all(text != NULL ? text : error->message))
        return COCO_TTRPC_INTERNAL;
    if (text != NULL)
        return COCO_TTRPC_OK;
    return error->domain == COCO_TTRPC_ERROR ? error->code : COCO_TTRPC_INTERNAL;
}

/* ---- here ---- */

static GError *
read_error(const CocoChildWorkRun *run, const CocoChildEnd *end)
{
    g_autofree char *text = coco_child_end_text(end);
    g_autofree char *shown = g_utf8_make_valid(end->output, -1);

    if (text == NULL)
        return NULL;
    if (end->timed_out || end->cancelled || !WIFEXITED(end->wait_status))
        return g_error_new(COCO_TTRPC_ERROR,
                           end->timed_out ? COCO_TTRPC_DEADLINE_EXCEEDED : COCO_TTRPC_INTERNAL,
                           "%s: %s", run->work.name, text);
    return g_error_new_literal(COCO_TTRPC_ERROR, WEXITSTATUS(end->wait_status), shown);
}

static void
on_child_end(const CocoChildEnd *end, void *user_data)
{
    g_autofree CocoChildWorkRun *run = user_data;
    g_autoptr(GError) error = read_error(run, end);

    run->done(error == NULL ? end->output : NULL, error, run->user_data);
}

CocoChildWorkRun *
coco_child_work_run(CocoReaper *reaper, const CocoChildWork *work, CocoChildWorkDone done,
                    void *user_data, GError **error)
{
    const char *const name[] = { work->name, NULL };
    const CocoChildFd console = { STDERR_FILENO, STDERR_FILENO };
    CocoChildWorkRun *run = g_new0(CocoChildWorkRun, 1);
    const CocoChildJob job = {
        .argv = name,
        .fds = &console,
        .n_fds = 1,
        .output = OUTPUT_FD,
        .output_max = OUTPUT_MAX,
        .deadline_s = work->deadline_s,
        .work = work_in_child,
        .work_data = run,
    };

    *run = (CocoChildWorkRun){ *work, NULL, done, user_data };
    run->child = coco_child_run(reaper, &job, on_child_end, run, error);
    if (run->child == NULL)
        g_clear_pointer(&run, g_free);
    return run;
}

void
coco_child_work_cancel(CocoChildWorkRun *run)
{
    coco_child_cancel(run->child);
}

void
coco_child_work_forget(CocoChildWorkRun *run)
{
    coco_child_forget(run->child);
    g_free(run);
}

/* ---- a queue ---- */

typedef struct {
    CocoChildQueue *queue;
    CocoChildWork work;
    CocoChildWorkDone done;
    void *user_data;
} Task;

struct _CocoChildQueue {
    CocoReaper *reaper;
    GQueue tasks;          /* of Task, which wait for their turn */
    Task *current;         /* nullable */
    CocoChildWorkRun *run; /* of the current one */
    bool ends;
};

static void
task_end(Task *task, const char *text, const GError *error)
{
    task->done(text, error, task->user_data);
    g_free(task);
}

static void run_next(CocoChildQueue *queue);

static void
on_work_done(const char *text, const GError *error, void *user_data)
{
    Task *task = user_data;
    CocoChildQueue *queue = task->queue;

    queue->current = NULL;
    queue->run = NULL;
    task_end(task, text, error);
    run_next(queue);
}

/* Whoever is told may add more. */
static void
run_next(CocoChildQueue *queue)
{
    while (queue->current == NULL && !g_queue_is_empty(&queue->tasks)) {
        Task *task = g_queue_pop_head(&queue->tasks);
        g_autoptr(GError) error = NULL;

        if (task->work.func != NULL)
            queue->run =
                coco_child_work_run(queue->reaper, &task->work, on_work_done, task, &error);
        if (queue->run != NULL)
            queue->current = task;
        else
            task_end(task, error == NULL ? "" : NULL, error);
    }
}

static void
cancel(Task *task)
{
    g_autoptr(GError) error =
        g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED, "the agent ends");

    task_end(task, NULL, error);
}

CocoChildQueue *
coco_child_queue_new(CocoReaper *reaper)
{
    CocoChildQueue *queue = g_new0(CocoChildQueue, 1);

    queue->reaper = reaper;
    g_queue_init(&queue->tasks);
    return queue;
}

void
coco_child_queue_free(CocoChildQueue *queue)
{
    if (queue == NULL)
        return;
    queue->ends = true;
    if (queue->current != NULL) {
        coco_child_work_cancel(queue->run);
        coco_child_work_forget(g_steal_pointer(&queue->run));
        cancel(g_steal_pointer(&queue->current));
    }
    while (!g_queue_is_empty(&queue->tasks))
        cancel(g_queue_pop_head(&queue->tasks));
    g_free(queue);
}

void
coco_child_queue_add(CocoChildQueue *queue, const CocoChildWork *work, CocoChildWorkDone done,
                     void *user_data)
{
    Task *task = g_new0(Task, 1);

    *task = (Task){ queue, work != NULL ? *work : (CocoChildWork){ 0 }, done, user_data };
    if (queue->ends) {
        cancel(task);
        return;
    }
    g_queue_push_tail(&queue->tasks, task);
    run_next(queue);
}

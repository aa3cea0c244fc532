// SPDX-License-Identifier: Apache-2.0
/*
 * Rounds of find, kill and wait, until a round finds nothing (vm-sweep.h).
 */
#include "shim/vm/vm-sweep.h"

#include <gio/gio.h>
#include <glib-unix.h>

#include "vmm/run/process-finder.h"

/* Each ends all that was found; a new process can appear only while a launcher dies. */
#define MAX_ROUNDS 8

struct _CocoVmSweep {
    char *run_dir;
    CocoVmSweepDone done;
    void *user_data;
    GArray *processes; /* of CocoHostProcess, of this round; nullable */
    GArray *sources;   /* of unsigned int; 0: has ended */
    unsigned int n_left;
    unsigned int round;
    unsigned int round_source;
    unsigned int deadline_source;
};

static void
forget_round(CocoVmSweep *sweep)
{
    for (unsigned int i = 0; i < sweep->sources->len; i++)
        g_clear_handle_id(&g_array_index(sweep->sources, unsigned int, i), g_source_remove);
    g_array_set_size(sweep->sources, 0);
    g_clear_pointer(&sweep->processes, g_array_unref);
}

static void
sweep_free(CocoVmSweep *sweep)
{
    forget_round(sweep);
    g_array_unref(sweep->sources);
    g_clear_handle_id(&sweep->round_source, g_source_remove);
    g_clear_handle_id(&sweep->deadline_source, g_source_remove);
    g_free(sweep->run_dir);
    g_free(sweep);
}

static void
end(CocoVmSweep *sweep, const GError *error)
{
    CocoVmSweepDone done = sweep->done;
    void *user_data = sweep->user_data;

    sweep_free(sweep);
    done(error, user_data);
}

static void next_round(CocoVmSweep *sweep);

/* The pidfd says which. */
static gboolean
on_gone(int pidfd, GIOCondition condition, void *user_data)
{
    CocoVmSweep *sweep = user_data;

    for (unsigned int i = 0; i < sweep->processes->len; i++) {
        if (g_array_index(sweep->processes, CocoHostProcess, i).pidfd == pidfd)
            g_array_index(sweep->sources, unsigned int, i) = 0;
    }
    if (--sweep->n_left == 0)
        next_round(sweep);
    return G_SOURCE_REMOVE;
}

static gboolean
on_round(void *user_data)
{
    CocoVmSweep *sweep = user_data;
    g_autoptr(GError) error = NULL;

    sweep->round_source = 0;
    forget_round(sweep);
    sweep->processes = coco_host_process_find("/proc", sweep->run_dir);
    if (sweep->processes->len == 0) {
        end(sweep, NULL);
        return G_SOURCE_REMOVE;
    }
    if (!coco_host_process_signal_all(sweep->run_dir, sweep->processes, &error)) {
        end(sweep, error);
        return G_SOURCE_REMOVE;
    }
    sweep->n_left = sweep->processes->len;
    for (unsigned int i = 0; i < sweep->n_left; i++) {
        unsigned int source = g_unix_fd_add(
            g_array_index(sweep->processes, CocoHostProcess, i).pidfd, G_IO_IN, on_gone, sweep);

        g_array_append_val(sweep->sources, source);
    }
    return G_SOURCE_REMOVE;
}

static void
next_round(CocoVmSweep *sweep)
{
    g_autoptr(GError) error = NULL;

    if (sweep->round++ < MAX_ROUNDS) {
        sweep->round_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_round, sweep, NULL);
        return;
    }
    error = g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED,
                        "end the processes of '%s': new ones keep appearing", sweep->run_dir);
    end(sweep, error);
}

static gboolean
on_deadline(void *user_data)
{
    CocoVmSweep *sweep = user_data;
    g_autoptr(GError) error =
        g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                    "end the processes of '%s': %u were killed and are still there", sweep->run_dir,
                    sweep->n_left);

    sweep->deadline_source = 0;
    end(sweep, error);
    return G_SOURCE_REMOVE;
}

CocoVmSweep *
coco_vm_sweep_start(const char *run_dir, unsigned int timeout_ms, CocoVmSweepDone done,
                    void *user_data)
{
    CocoVmSweep *sweep = g_new0(CocoVmSweep, 1);

    sweep->run_dir = g_strdup(run_dir);
    sweep->done = done;
    sweep->user_data = user_data;
    sweep->sources = g_array_new(FALSE, FALSE, sizeof(unsigned int));
    sweep->deadline_source = g_timeout_add(timeout_ms, on_deadline, sweep);
    next_round(sweep);
    return sweep;
}

void
coco_vm_sweep_cancel(CocoVmSweep *sweep)
{
    if (sweep != NULL)
        sweep_free(sweep);
}

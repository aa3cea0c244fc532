// SPDX-License-Identifier: Apache-2.0
/*
 * shim/vm/vm-sweep.c with processes that look like a VM's: they are gone when it is done, while the
 * main loop goes on; one that is cancelled calls nobody.
 */
#include "shim/vm/vm-sweep.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

typedef struct {
    char *run_dir;
    GMainLoop *loop;
    unsigned int n_done;
    GError *error;
    bool returned; /* coco_vm_sweep_start() has */
} Rig;

static void
set_up(Rig *rig)
{
    *rig = (Rig){ .run_dir = g_dir_make_tmp("coco-sweep-XXXXXX", NULL),
                  .loop = g_main_loop_new(NULL, FALSE) };
}

static void
tear_down(Rig *rig)
{
    (void) g_rmdir(rig->run_dir);
    g_main_loop_unref(rig->loop);
    g_clear_error(&rig->error);
    g_free(rig->run_dir);
}

/* Told by its command line; it has told that it runs when this returns. A stopped one dies, too. */
static pid_t
spawn_like(const char *run_dir)
{
    const char *const argv[] = { "coco-vmm-console", "-c",    "echo; kill -STOP $$",
                                 "--run-dir",        run_dir, NULL };
    int out[2];
    char byte;
    pid_t pid;

    cr_assert(eq(int, pipe2(out, O_CLOEXEC), 0));
    pid = fork();
    if (pid == 0) {
        (void) dup2(out[1], 1);
        (void) execv("/bin/sh", (char *const *) argv);
        _exit(127);
    }
    (void) close(out[1]);
    cr_assert(eq(int, (int) read(out[0], &byte, 1), 1));
    (void) close(out[0]);
    return pid;
}

static void
on_done(const GError *error, void *user_data)
{
    Rig *rig = user_data;

    cr_expect(rig->returned);
    rig->n_done++;
    rig->error = error != NULL ? g_error_copy(error) : NULL;
    g_main_loop_quit(rig->loop);
}

static void
start(Rig *rig)
{
    cr_assert(ne(ptr, coco_vm_sweep_start(rig->run_dir, 10000, on_done, rig), NULL));
    rig->returned = true;
    g_main_loop_run(rig->loop);
}

static int
end_of(pid_t pid)
{
    int status = 0;

    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

Test(vm_sweep, ends_all)
{
    Rig rig;
    pid_t one;
    pid_t two;

    set_up(&rig);
    one = spawn_like(rig.run_dir);
    two = spawn_like(rig.run_dir);
    start(&rig);
    cr_expect(eq(int, (int) rig.n_done, 1));
    cr_expect(eq(ptr, rig.error, NULL));
    cr_expect(eq(int, end_of(one), SIGKILL));
    cr_expect(eq(int, end_of(two), SIGKILL));
    tear_down(&rig);
}

Test(vm_sweep, is_done_where_nothing_runs)
{
    Rig rig;

    set_up(&rig);
    start(&rig);
    cr_expect(eq(int, (int) rig.n_done, 1));
    cr_expect(eq(ptr, rig.error, NULL));
    tear_down(&rig);
}

Test(vm_sweep, calls_nobody_once_it_is_cancelled)
{
    Rig rig;

    set_up(&rig);
    coco_vm_sweep_cancel(NULL);
    coco_vm_sweep_cancel(coco_vm_sweep_start(rig.run_dir, 0, on_done, &rig));
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_expect(eq(int, (int) rig.n_done, 0));
    tear_down(&rig);
}

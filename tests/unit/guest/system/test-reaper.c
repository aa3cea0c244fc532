// SPDX-License-Identifier: Apache-2.0
/*
 * Exits of children, of orphans, and of those that end before anybody asked.
 */
#include "guest/system/reaper.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

typedef struct {
    GMainLoop *loop;
    int code;
    unsigned int told;
} Rig;

static void
on_exit_told(pid_t pid, int wait_status, void *user_data)
{
    Rig *rig = user_data;

    rig->code = coco_reaper_exit_code(wait_status);
    rig->told++;
    g_main_loop_quit(rig->loop);
}

static pid_t
child(int code, int signal_number)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (signal_number != 0)
            (void) raise(signal_number);
        _exit(code);
    }
    return pid;
}

/* Until the child is a zombie, without collecting it. */
static void
wait_dead(pid_t pid)
{
    siginfo_t info;

    cr_assert_eq(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
}

static int
code_of(int code, int signal_number)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoReaper) reaper = coco_reaper_new(&error);
    Rig rig = { .loop = g_main_loop_new(NULL, FALSE) };

    coco_reaper_watch(reaper, child(code, signal_number), on_exit_told, &rig);
    g_main_loop_run(rig.loop);
    g_main_loop_unref(rig.loop);
    return rig.code;
}

Test(reaper, codes, .timeout = 20)
{
    cr_assert_eq(code_of(0, 0), 0);
    cr_assert_eq(code_of(42, 0), 42);
    cr_assert_eq(code_of(0, SIGTERM), 143);
    cr_assert_eq(code_of(0, SIGKILL), 137);
}

Test(reaper, an_exit_before_the_watch_is_kept_while_held, .timeout = 20)
{
    g_autoptr(CocoReaper) reaper = coco_reaper_new(NULL);
    Rig rig = { .loop = g_main_loop_new(NULL, FALSE) };
    pid_t early;
    pid_t other;

    coco_reaper_hold(reaper);
    early = child(7, 0);
    wait_dead(early);
    /* The loop collects both; only the second was asked for. */
    other = child(1, 0);
    coco_reaper_watch(reaper, other, on_exit_told, &rig);
    g_main_loop_run(rig.loop);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    coco_reaper_watch(reaper, early, on_exit_told, &rig);
    cr_assert_eq(rig.told, 1);
    coco_reaper_release(reaper);
    g_main_loop_run(rig.loop);
    cr_assert_eq(rig.code, 7);
    cr_assert_eq(rig.told, 2);
    g_main_loop_unref(rig.loop);
}

Test(reaper, an_orphan_comes_to_us, .timeout = 20)
{
    g_autoptr(CocoReaper) reaper = coco_reaper_new(NULL);
    Rig rig = { .loop = g_main_loop_new(NULL, FALSE) };
    int told[2];
    pid_t parent;
    pid_t orphan = 0;

    cr_assert_eq(pipe(told), 0);
    coco_reaper_hold(reaper);
    parent = fork();
    if (parent == 0) {
        orphan = child(9, 0);
        _exit(write(told[1], &orphan, sizeof orphan) == (ssize_t) sizeof orphan ? 0 : 1);
    }
    cr_assert_eq(read(told[0], &orphan, sizeof orphan), (ssize_t) sizeof orphan);
    coco_reaper_watch(reaper, orphan, on_exit_told, &rig);
    g_main_loop_run(rig.loop);
    cr_assert_eq(rig.code, 9);
    coco_reaper_release(reaper);
    g_main_loop_unref(rig.loop);
}

Test(reaper, free_is_fine_half_built)
{
    coco_reaper_free(NULL);
    coco_reaper_free(coco_reaper_new(NULL));
}

static gboolean
on_idle(void *user_data)
{
    unsigned int *at = user_data;
    siginfo_t info = { 0 };

    (void) waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    *at = info.si_pid != 0 ? 1 : 2;
    return G_SOURCE_REMOVE;
}

Test(reaper, others_have_their_turn_while_there_is_more, .timeout = 20)
{
    g_autoptr(CocoReaper) reaper = NULL;
    GSource *idle = g_idle_source_new();
    unsigned int seen = 0;

    for (int n = 0; n < 200; n++)
        wait_dead(child(0, 0));
    reaper = coco_reaper_new(NULL);
    g_source_set_priority(idle, G_PRIORITY_DEFAULT);
    g_source_set_callback(idle, on_idle, &seen, NULL);
    g_source_attach(idle, NULL);
    while (seen == 0)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(seen, 1, "all were collected before anybody else had a turn");
    while (waitid(P_ALL, 0, NULL, WEXITED | WNOWAIT) == 0)
        (void) g_main_context_iteration(NULL, TRUE);
    g_source_unref(idle);
}

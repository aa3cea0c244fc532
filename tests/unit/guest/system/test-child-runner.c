// SPDX-License-Identifier: Apache-2.0
/*
 * What a child gets, how its end is told, and that less is less.
 */
#include "guest/system/child-runner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"

typedef struct {
    CocoReaper *reaper;
    GMainLoop *loop;
    char *text; /* how it ended */
    char *output;
    bool cancel;
} Rig;

static void
on_end(const CocoChildEnd *end, void *user_data)
{
    Rig *rig = user_data;

    rig->text = coco_child_end_text(end);
    rig->output = g_strdup(end->output);
    g_main_loop_quit(rig->loop);
}

static void
rig_clear(Rig *rig)
{
    g_clear_pointer(&rig->loop, g_main_loop_unref);
    g_clear_pointer(&rig->reaper, coco_reaper_free);
    g_free(rig->text);
    g_free(rig->output);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
run(Rig *rig, const char *script, CocoChildJob job)
{
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };
    g_autoptr(GError) error = NULL;
    CocoChild *child;

    rig->reaper = coco_reaper_new(NULL);
    rig->loop = g_main_loop_new(NULL, FALSE);
    job.argv = argv;
    job.output = 5;
    job.output_max = job.output_max > 0 ? job.output_max : 1000;
    child = coco_child_run(rig->reaper, &job, on_end, rig, &error);
    cr_assert_not_null(child, "%s", error != NULL ? error->message : "");
    if (rig->cancel)
        coco_child_cancel(child);
    g_main_loop_run(rig->loop);
}

static int
work(void *data)
{
    const int *fd = data;
    g_autofree char *text = g_strdup_printf("%s open", fcntl(*fd, F_GETFD) < 0 ? "not" : "still");

    return write(3, text, strlen(text)) < 0 ? 1 : 7;
}

Test(child_runner, work_of_our_own_has_nothing_else_open, .timeout = 20)
{
    static const char *const name[] = { "work", NULL };
    g_auto(Rig) rig = { 0 };
    g_auto(CocoFd) other = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    CocoChildJob job = { .argv = name, .output = 3, .output_max = 100, .work = work };
    int number = other;

    job.work_data = &number;
    rig.reaper = coco_reaper_new(NULL);
    rig.loop = g_main_loop_new(NULL, FALSE);
    cr_assert_not_null(coco_child_run(rig.reaper, &job, on_end, &rig, NULL));
    g_main_loop_run(rig.loop);
    cr_assert_str_eq(rig.text, "exit status 7");
    cr_assert_str_eq(rig.output, "not open");
}

Test(child_runner, descriptors_and_output, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    g_auto(CocoFd) other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int ends[2];
    CocoChildFd fds[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(write(ends[1], "in\n", 3), 3);
    coco_fd_clear(&ends[1]);
    fds[0] = (CocoChildFd){ ends[0], 0 };
    fds[1] = (CocoChildFd){ other, 7 };
    run(&rig,
        "read a; echo $a >&5; for n in 3 4 6 8 9 10 12 13 64; do "
        "[ -e /proc/self/fd/$n ] && echo has $n >&5; done; [ -e /proc/self/fd/7 ] && echo 7 >&5",
        (CocoChildJob){ .fds = fds, .n_fds = 2 });
    coco_fd_clear(&ends[0]);
    cr_assert_str_eq(rig.output, "in\n7\n");
    cr_assert_null(rig.text);
}

Test(child_runner, only_the_end_of_the_output_is_kept, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };

    run(&rig, "head -c 300000 /dev/zero | tr '\\0' x >&5; printf last >&5",
        (CocoChildJob){ .output_max = 6 });
    cr_assert_str_eq(rig.output, "xxlast");
}

Test(child_runner, ends_have_words, .timeout = 20)
{
    static const struct {
        const char *script;
        unsigned int deadline_s;
        bool cancel;
        const char *text;
    } cases[] = {
        { "exit 3", 0, false, "exit status 3" },
        { "kill -TERM $$", 0, false, "killed by signal 15 (Terminated)" },
        { "read x <&5; sleep 1000 & wait", 1, false, "not done after 1 s" },
        { "sleep 1000", 0, true, "cancelled" },
        { "sleep 1000 >&5 & exit 0", 0, false, NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Rig) rig = { .cancel = cases[i].cancel };

        run(&rig, cases[i].script, (CocoChildJob){ .deadline_s = cases[i].deadline_s });
        cr_assert_eq(g_strcmp0(rig.text, cases[i].text), 0, "%s: %s", cases[i].script, rig.text);
    }
}

/* A deadline takes what the child has started, too. */
Test(child_runner, the_whole_group_is_killed, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    pid_t pid;

    run(&rig, "sleep 1000 & echo $! >&5; wait", (CocoChildJob){ .deadline_s = 1 });
    pid = (pid_t) g_ascii_strtoll(rig.output, NULL, 10);
    cr_assert_gt(pid, 1);
    while (kill(pid, 0) == 0) /* until the reaper has collected it */
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(errno, ESRCH);
}

Test(child_runner, what_cannot_run_is_an_error_at_once)
{
    g_autoptr(CocoReaper) reaper = coco_reaper_new(NULL);
    const char *const argv[] = { "/nonexistent/program", NULL };
    const CocoChildJob job = { .argv = argv, .output = -1 };
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_child_run(reaper, &job, on_end, NULL, &error));
    cr_assert_str_eq(error->message, "start /nonexistent/program: No such file or directory");
}

Test(child_runner, limits_and_no_new_privileges, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };
    const CocoChildLimit limits[] = { { RLIMIT_NOFILE, 99 }, { RLIMIT_CORE, 0 } };

    run(&rig, "ulimit -n >&5; ulimit -c >&5; grep NoNewPrivs /proc/self/status >&5",
        (CocoChildJob){
            .confinement = { .limits = limits, .n_limits = 2, .no_new_privileges = true } });
    cr_assert_str_eq(rig.output, "99\n0\nNoNewPrivs:\t1\n");
}

Test(child_runner, a_user_without_capabilities_in_a_network_of_its_own, .timeout = 20)
{
    g_auto(Rig) rig = { 0 };

    if (geteuid() != 0)
        cr_skip_test("needs root");
    run(&rig,
        "id -u >&5; id -G >&5; grep -E '^Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 >&5; "
        "ls /sys/class/net >/dev/null; tail -n +3 /proc/net/dev | wc -l >&5",
        (CocoChildJob){ .confinement = { .as_user = true,
                                         .uid = 12345,
                                         .gid = 23456,
                                         .no_capabilities = true,
                                         .namespaces = CLONE_NEWNET } });
    cr_assert(g_str_has_prefix(rig.output, "12345\n23456\n0000000000000000\n0000000000000000\n"
                                           "0000000000000000\n0000000000000000\n"),
              "%s", rig.output);
}

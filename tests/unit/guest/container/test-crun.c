// SPDX-License-Identifier: Apache-2.0
/*
 * The texts of crun 1.8.1, and running a program in its place.
 */
#include "guest/container/crun.h"

#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"

Test(crun, the_last_line_is_the_error)
{
    static const struct {
        const char *log;
        const char *text;
    } cases[] = {
        { "", NULL },
        { "\n \n", NULL },
        { "warning\nerror: no such container\n", "no such container" },
        { "open executable: Permission denied\n", "open executable: Permission denied" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = coco_crun_error_text(cases[i].log);

        cr_assert_eq(g_strcmp0(text, cases[i].text), 0);
    }
}

Test(crun, commands_that_cannot_run)
{
    static const struct {
        const char *text;
        const char *command;
        const char *expected; /* NULL: not about the command */
    } cases[] = {
        { "executable file `nosuch` not found in $PATH: No such file or directory", "nosuch",
          "exec: \"nosuch\": executable file not found in $PATH" },
        { "executable file `/x` not found: No such file or directory", "/x",
          "exec: \"/x\": no such file or directory" },
        { "open executable: Permission denied", "/etc/passwd",
          "exec: \"/etc/passwd\": permission denied" },
        { "open executable: Operation not permitted", "/tmp", "exec: \"/tmp\": permission denied" },
        { "mount `proc`: No such file or directory", "sh", NULL },
        { "cannot open root file system", "sh", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = NULL;

        cr_assert_eq(coco_crun_is_command_error(cases[i].text, cases[i].command, &text),
                     cases[i].expected != NULL, "%s", cases[i].text);
        cr_assert_eq(g_strcmp0(text, cases[i].expected), 0, "%s", text);
    }
}

Test(crun, words_of_a_container_that_ends)
{
    cr_assert(coco_crun_may_be_the_end("crun exec: exit status 255, without a word"));
    cr_assert(coco_crun_may_be_the_end("crun exec: fork: Cannot allocate memory"));
    cr_assert(coco_crun_may_be_the_end("crun exec: the container `c` is not running"));
    cr_assert_not(coco_crun_may_be_the_end("crun exec: chdir: No such file or directory"));
}

typedef struct {
    GMainLoop *loop;
    GError *error;
} Heard;

static void
on_done(const GError *error, void *user_data)
{
    Heard *heard = user_data;

    heard->error = error != NULL ? g_error_copy(error) : NULL;
    g_main_loop_quit(heard->loop);
}

static GError *
run(const char *script_text, const char *input)
{
    g_autoptr(CocoReaper) reaper = coco_reaper_new(NULL);
    g_autofree char *root = g_dir_make_tmp("coco-crun-XXXXXX", NULL);
    g_autofree char *program = g_build_filename(root, "crun", NULL);
    g_autoptr(CocoLayout) layout = coco_layout_new(root);
    g_autoptr(CocoCrun) crun = coco_crun_new(reaper, layout, program);
    const char *const args[] = { "verb", "id", NULL };
    Heard heard = { .loop = g_main_loop_new(NULL, FALSE) };

    cr_assert(
        g_file_set_contents_full(program, script_text, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    cr_assert_not_null(coco_crun_run(crun, args, NULL, input, on_done, &heard, NULL));
    g_main_loop_run(heard.loop);
    g_main_loop_unref(heard.loop);
    (void) unlink(program);
    (void) rmdir(root);
    return heard.error;
}

Test(crun, success_and_input, .timeout = 20)
{
    cr_assert_null(run("#!/bin/sh\nexit 0\n", NULL));
    cr_assert_null(run("#!/bin/sh\n[ \"$(cat /proc/self/fd/4)\" = '{\"a\":1}' ]\n", "{\"a\":1}"));
}

Test(crun, failure_gives_the_log, .timeout = 20)
{
    g_autoptr(GError) error =
        run("#!/bin/sh\necho to-the-container >&2\necho error: it broke >/proc/self/fd/3\nexit 1\n",
            NULL);

    cr_assert_str_eq(error->message, "crun verb: it broke");
    cr_assert_eq(error->code, COCO_TTRPC_INTERNAL);
}

Test(crun, an_end_without_a_word_says_how, .timeout = 20)
{
    g_autoptr(GError) status = run("#!/bin/sh\nexit 3\n", NULL);
    g_autoptr(GError) killed = run("#!/bin/sh\nkill -9 $$\n", NULL);

    cr_assert_str_eq(status->message, "crun verb: exit status 3, without a word");
    cr_assert_str_eq(killed->message, "crun verb: killed by signal 9 (Killed), without a word");
}

/* What the runtime made says why after the runtime has gone. */
Test(crun, a_late_word_is_heard, .timeout = 20)
{
    g_autoptr(GError) error =
        run("#!/bin/sh\n{ tail --pid=$$ -f /dev/null; echo too late >&3; } &\n"
            "exit 1\n",
            NULL);

    cr_assert_str_eq(error->message, "crun verb: too late");
}

Test(crun, a_missing_runtime_is_an_error)
{
    g_autoptr(CocoReaper) reaper = coco_reaper_new(NULL);
    g_autoptr(CocoLayout) layout = coco_layout_new("/proc/nonexistent");
    g_autoptr(CocoCrun) crun = coco_crun_new(reaper, layout, "/proc/nonexistent/crun");
    const char *const args[] = { "verb", NULL };
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_crun_run(crun, args, NULL, NULL, on_done, NULL, &error));
    cr_assert_str_eq(error->message, "start /proc/nonexistent/crun: No such file or directory");
    cr_assert_not(coco_crun_release(crun, "id"));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Logging drivers made of shell scripts: their arguments, environment and descriptors, the ways to
 * say that they are ready or to fail before, and their end.
 */
#include "shim/stdio/log-driver.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define REPORT                                                                                     \
    "exec > \"$2\"\n"                                                                              \
    "echo \"$# $1 $3 $4 $CONTAINER_ID $CONTAINER_NAMESPACE\"\n"                                    \
    "echo > /dev/fd/5\n"                                                                           \
    "exec 5>&-\n"                                                                                  \
    "/bin/cat <&3\n"                                                                               \
    "/bin/cat <&4\n"
#define BLOCK "read x <&3\n" /* until the end of standard output */

typedef struct {
    char *directory;
    char *program;
    CocoSignals *signals;
    CocoLogDriver *driver;
    int out;
    int err;
    bool reported;
    GError *failure; /* what on_ready got */
    bool ended;
} Fixture;

static void
on_term(void *user_data)
{
    cr_assert(false, "nobody sends the test a signal");
}

static void
on_ready(const GError *error, void *user_data)
{
    Fixture *f = user_data;

    cr_assert(not(f->reported), "on_ready runs once");
    f->reported = true;
    f->failure = error != NULL ? g_error_copy(error) : NULL;
}

static void
on_ended(void *user_data)
{
    ((Fixture *) user_data)->ended = true;
}

static void
setup(Fixture *f)
{
    *f = (Fixture){ .out = -1, .err = -1 };
    f->directory = g_dir_make_tmp("coco-driver-XXXXXX", NULL);
    f->program = g_build_filename(f->directory, "driver", NULL);
    f->signals = coco_signals_new(on_term, NULL, NULL);
    cr_assert_not_null(f->signals);
}

static void
teardown(Fixture *f)
{
    coco_fd_clear(&f->out);
    coco_fd_clear(&f->err);
    coco_signals_free(f->signals);
    g_clear_error(&f->failure);
    (void) g_remove(f->program);
    (void) g_rmdir(f->directory);
    g_free(f->program);
    g_free(f->directory);
}

static void
start(Fixture *f, const char *scheme, const char *query, const char *script)
{
    g_autofree char *text = g_strconcat("#!/bin/sh\n", script, NULL);
    g_autofree char *uri = g_strconcat(scheme, f->program, query, NULL);
    CocoLogDriverConfig config = { uri, "box", "k8s.io", f->signals, on_ready, f };

    cr_assert(g_file_set_contents(f->program, text, -1, NULL));
    cr_assert(eq(int, chmod(f->program, 0700), 0));
    f->driver = coco_log_driver_start(&config, &f->out, &f->err, NULL);
    cr_assert_not_null(f->driver);
    cr_assert(not(f->reported), "it is told by the main loop");
}

static void
wait_until(const bool *flag)
{
    while (!*flag)
        (void) g_main_context_iteration(NULL, TRUE);
}

static void
end(Fixture *f)
{
    coco_fd_clear(&f->out);
    coco_fd_clear(&f->err);
    coco_log_driver_end(f->driver, on_ended, f);
    wait_until(&f->ended);
}

static void
expect_failure(Fixture *f, const char *scheme, const char *script, const char *words)
{
    f->reported = false;
    f->ended = false;
    start(f, scheme, "", script);
    wait_until(&f->reported);
    cr_assert(g_error_matches(f->failure, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN));
    cr_expect(strstr(f->failure->message, f->program) != NULL);
    cr_expect(strstr(f->failure->message, words) != NULL, "%s", f->failure->message);
    g_clear_error(&f->failure);
    end(f);
}

static void
expect_ready(const char *scheme, const char *script)
{
    Fixture f;

    setup(&f);
    start(&f, scheme, "", script);
    wait_until(&f.reported);
    cr_expect(eq(ptr, f.failure, NULL));
    end(&f);
    teardown(&f);
}

Test(log_driver, gets_output_as_containerd_promises)
{
    Fixture f;
    g_autofree char *log = NULL;
    g_autofree char *escaped = NULL;
    g_autofree char *query = NULL;
    g_autofree char *text = NULL;

    setup(&f);
    log = g_build_filename(f.directory, "log", NULL);
    escaped = g_uri_escape_string(log, NULL, FALSE);
    query = g_strdup_printf("?to=%s&with%%20space=a+b", escaped);
    start(&f, "binary://", query, "trap '' TERM\n" REPORT);
    cr_assert(eq(sz, write(f.err, "errors\n", 7), 7));
    cr_assert(eq(sz, write(f.out, "lines\n", 6), 6));
    wait_until(&f.reported);
    cr_expect(eq(ptr, f.failure, NULL));
    end(&f);
    cr_assert(g_file_get_contents(log, &text, NULL, NULL));
    cr_expect(eq(str, text, "4 to with space a b box k8s.io\nlines\nerrors\n"));
    (void) g_remove(log);
    teardown(&f);
}

Test(log_driver, is_ready_by_a_byte_or_a_close)
{
    expect_ready("binary://", "echo > /dev/fd/5\n" BLOCK);
    expect_ready("binary://", "exec 5>&-\n" BLOCK);
    expect_ready("binary-v2://", "echo > /dev/fd/5\n" BLOCK);
}

Test(log_driver, may_go_to_the_background_before_it_is_ready)
{
    expect_ready("binary://", "(exec 5>&-; " BLOCK ") &\nexit 0\n");
}

/* Many times: the end of the pipe and the end of the process are two events. */
Test(log_driver, that_dies_is_not_ready)
{
    Fixture f;

    setup(&f);
    for (unsigned int i = 0; i < 25; i++) {
        expect_failure(&f, "binary://", "exit 3\n", "ended with status 3 before it was ready");
        expect_failure(&f, "binary://", "kill -9 $$\n", "ended by signal 9 before it was ready");
    }
    teardown(&f);
}

Test(log_driver, of_version_2_must_say_it)
{
    Fixture f;

    setup(&f);
    expect_failure(&f, "binary-v2://", "exec 5>&-\n" BLOCK, "before it said that it is ready");
    expect_failure(&f, "binary-v2://", "exit 0\n", "before it said that it is ready");
    teardown(&f);
}

Test(log_driver, is_ended_by_a_signal)
{
    Fixture f;

    setup(&f);
    start(&f, "binary://", "", "exec 5>&- 3<&- 4<&-\nexec sleep 1000\n");
    wait_until(&f.reported);
    end(&f);
    teardown(&f);
}

Test(log_driver, may_be_ended_before_it_is_ready)
{
    Fixture f;

    setup(&f);
    start(&f, "binary://", "", "exec sleep 1000\n");
    end(&f);
    cr_assert(f.reported, "whoever waits hears of it");
    cr_expect(strstr(f.failure->message, "deleted before it was ready") != NULL);
    teardown(&f);
}

Test(log_driver, without_a_driver_the_end_is_at_once)
{
    Fixture f = { 0 };

    coco_log_driver_end(NULL, on_ended, &f);
    cr_expect(f.ended);
    coco_log_driver_end(NULL, NULL, NULL);
}

Test(log_driver, errors_name_the_program)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) relative = NULL;
    CocoLogDriverConfig config = { .uri = "binary:///no/such/driver?a=b", .id = "i", .ns = "n" };
    int out = -1;
    int err = -1;

    cr_assert(eq(ptr, coco_log_driver_start(&config, &out, &err, &missing), NULL));
    cr_expect(g_error_matches(missing, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND));
    cr_expect(strstr(missing->message, "/no/such/driver") != NULL);
    config.uri = "binary://driver";
    cr_assert(eq(ptr, coco_log_driver_start(&config, &out, &err, &relative), NULL));
    cr_expect(g_error_matches(relative, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
    cr_expect(eq(int, out, -1));
}

Test(log_driver, other_paths_are_none)
{
    cr_expect(coco_log_driver_is_named("binary:///x"));
    cr_expect(coco_log_driver_is_named("binary-v2:///x"));
    cr_expect(not(coco_log_driver_is_named("/run/fifo")));
    cr_expect(not(coco_log_driver_is_named("file:///x")));
    cr_expect(not(coco_log_driver_is_named("")));
}

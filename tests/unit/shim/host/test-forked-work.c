// SPDX-License-Identifier: Apache-2.0
/*
 * shim/host/forked-work.c: results, failures with their codes, crashes, and what never ends.
 */
#include "shim/host/forked-work.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    GMainLoop *loop;
    GError *error;
    unsigned int calls;
} Result;

static void
on_done(const GError *error, void *user_data)
{
    Result *result = user_data;

    result->calls++;
    result->error = error != NULL ? g_error_copy(error) : NULL;
    g_main_loop_quit(result->loop);
}

static void
on_term(void *user_data)
{
}

static GError *
run(CocoForkedWorkFunc func, void *data, unsigned int timeout_ms, bool cancel)
{
    g_autoptr(CocoSignals) signals = coco_signals_new(on_term, NULL, NULL);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Result result = { .loop = loop };
    CocoForkedWork *work =
        coco_forked_work_start(signals, func, data, timeout_ms, on_done, &result, NULL);

    cr_assert(work != NULL);
    if (cancel) {
        coco_forked_work_cancel(work);
        coco_forked_work_cancel(work);
    }
    cr_assert(eq(uint, result.calls, 0), "never from inside a call");
    g_main_loop_run(loop);
    cr_expect(eq(uint, result.calls, 1));
    return result.error;
}

/* data: a descriptor that must not be there. */
static bool
succeed(CocoForkedReport *report, void *data, GError **error)
{
    const int *fd = data;

    return fcntl(*fd, F_GETFD) < 0;
}

static bool
refuse(CocoForkedReport *report, void *data, GError **error)
{
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, "mount for '/x': not there");
    return false;
}

static bool
crash(CocoForkedReport *report, void *data, GError **error)
{
    coco_forked_report_step(report, "the step");
    abort();
}

static bool
hang(CocoForkedReport *report, void *data, GError **error)
{
    coco_forked_report_step(report, "mount for '/x'");
    while (pause() < 0)
        ;
    return true;
}

Test(forked_work, success_without_the_shims_descriptors)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD, 10);
    g_autoptr(GError) error = run(succeed, &fd, 60000, false);

    cr_expect(error == NULL, "%s", error != NULL ? error->message : "");
}

Test(forked_work, a_failure_keeps_domain_code_and_text)
{
    g_autoptr(GError) error = run(refuse, NULL, 60000, false);

    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND));
    cr_expect(eq(str, error->message, "mount for '/x': not there"));
}

Test(forked_work, a_crash_is_a_failure_of_its_step)
{
    g_autoptr(GError) error = run(crash, NULL, 60000, false);

    cr_assert(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_FAILED));
    cr_expect(g_str_has_prefix(error->message, "the step: "));
}

Test(forked_work, a_hang_ends_at_its_deadline)
{
    g_autoptr(GError) error = run(hang, NULL, 100, false);

    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED));
    cr_expect(eq(str, error->message, "mount for '/x': no answer within 100 ms"));
}

Test(forked_work, a_hang_ends_when_it_is_cancelled)
{
    g_autoptr(GError) error = run(hang, NULL, 60000, true);

    cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED));
}

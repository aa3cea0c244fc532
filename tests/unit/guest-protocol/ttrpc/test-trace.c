// SPDX-License-Identifier: Apache-2.0
#include "guest-protocol/ttrpc/trace.h"

#include <criterion/criterion.h>
#include <glib.h>

static void
keep_line(const char *domain, GLogLevelFlags level, const char *message, void *user_data)
{
    g_ptr_array_add(user_data, g_strdup(message));
}

static GPtrArray *
traced(int n)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    (void) g_log_set_default_handler(keep_line, lines);
    for (int i = 0; i < n; i++)
        coco_trace_end(coco_trace_begin(), "served", "Start");
    while (g_main_context_iteration(NULL, FALSE))
        ;
    return lines;
}

Test(trace, off_unless_asked_for)
{
    g_autoptr(GPtrArray) lines = NULL;

    g_unsetenv("COCO_TRACE");
    cr_assert_eq(coco_trace_begin(), 0);
    lines = traced(3);
    cr_assert_eq(lines->len, 0);
}

Test(trace, lines_come_when_the_loop_is_idle)
{
    g_autoptr(GPtrArray) lines = NULL;

    g_setenv("COCO_TRACE", "1", TRUE);
    lines = traced(2);
    cr_assert_eq(lines->len, 2);
    cr_assert(g_regex_match_simple("^trace: served Start [0-9]+ us$", lines->pdata[1], 0, 0), "%s",
              (char *) lines->pdata[1]);
}

Test(trace, a_loop_that_is_never_idle_does_not_eat_memory)
{
    g_autoptr(GPtrArray) lines = NULL;

    g_setenv("COCO_TRACE", "1", TRUE);
    lines = traced(100000);
    cr_assert_gt(lines->len, 1000);
    cr_assert_lt(lines->len, 10000);
}

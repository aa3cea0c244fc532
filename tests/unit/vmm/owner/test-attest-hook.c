// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/owner/attest-hook.c with real programs: what comes back, what is bounded, what is ended.
 */
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/owner/attest-hook.h"

#define LIMIT 65536

static GString *
ask(const char *script, unsigned int timeout_s, GError **error)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = scratch_dir_write(dir, "hook", script, strlen(script));

    cr_assert_eq(chmod(path, 0755), 0);
    return coco_attest_hook_ask(path, "{\"question\":1}", timeout_s, LIMIT, error);
}

static void
refuse(const char *script, unsigned int timeout_s, CocoVmmError code, const char *end)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(ask(script, timeout_s, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, (int) code), "%s", error->message);
    cr_assert(g_str_has_prefix(error->message, "ask '/"), "%s", error->message);
    cr_assert(g_str_has_suffix(error->message, end), "%s", error->message);
}

Test(attest_hook, the_question_goes_in_and_the_answer_comes_out)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) echoed = ask("#!/bin/sh\ncat\necho more\n", 10, &error);

    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    cr_assert_str_eq(echoed->str, "{\"question\":1}\nmore\n");
}

Test(attest_hook, a_program_need_not_read)
{
    g_autoptr(GString) answer = ask("#!/bin/sh\nexec echo yes\n", 10, NULL);

    cr_assert_str_eq(answer->str, "yes\n");
}

Test(attest_hook, an_end_that_is_no_success_is_an_error)
{
    refuse("#!/bin/sh\necho yes\nexit 3\n", 10, COCO_VMM_ERROR_FAILED, ": it ended with status 3");
    refuse("#!/bin/sh\necho yes\nkill -9 $$\n", 10, COCO_VMM_ERROR_FAILED,
           ": it ended with signal 9");
}

Test(attest_hook, what_does_not_end_is_ended)
{
    gint64 start = g_get_monotonic_time();

    refuse("#!/bin/sh\nexec tail -f /dev/null\n", 1, COCO_VMM_ERROR_TIMEOUT, ": no answer in time");
    refuse("#!/bin/sh\necho yes\nexec tail -f /dev/null >/dev/null\n", 1, COCO_VMM_ERROR_FAILED,
           ": it ended with signal 9");
    cr_assert_lt(g_get_monotonic_time() - start, 20 * G_USEC_PER_SEC);
}

Test(attest_hook, an_endless_answer_is_cut)
{
    refuse("#!/bin/sh\nexec yes\n", 10, COCO_VMM_ERROR_FAILED,
           ": the answer has more than 65536 bytes");
}

Test(attest_hook, a_program_that_is_not_there_is_told)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_attest_hook_ask("/not/there", "", 1, LIMIT, &error));
    cr_assert_not_null(strstr(error->message, "/not/there"));
}

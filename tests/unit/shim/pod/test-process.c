// SPDX-License-Identifier: Apache-2.0
#include "shim/pod/process.h"

#include <criterion/criterion.h>

static CocoProcess *
new_process(void)
{
    const CocoProcessConfig config = {
        .container_id = "c", .exec_id = "", .ns = "n", .in = "", .out = "", .err = ""
    };

    return coco_process_new(&config);
}

static void
count(void *user_data)
{
    ++*(unsigned int *) user_data;
}

/* The guest may tell the end of a short process before it answers to the start. */
Test(process, exit_waits_until_the_start_is_told)
{
    g_autoptr(CocoProcess) process = new_process();
    unsigned int n = 0;

    cr_assert(coco_process_step(process, COCO_PROCESS_EV_START));
    coco_process_when_start_told(process, count, &n);
    cr_assert_eq(n, 0);
    cr_assert(coco_process_step(process, COCO_PROCESS_EV_STARTED));
    cr_assert_eq(n, 0);
    coco_process_start_told(process);
    cr_assert_eq(n, 1);
    coco_process_start_told(process);
    cr_assert_eq(n, 1);
}

Test(process, exit_of_one_that_runs_or_never_started_does_not_wait)
{
    g_autoptr(CocoProcess) process = new_process();
    unsigned int n = 0;

    coco_process_when_start_told(process, count, &n);
    cr_assert_eq(n, 1);
    cr_assert(coco_process_step(process, COCO_PROCESS_EV_START));
    cr_assert(coco_process_step(process, COCO_PROCESS_EV_STARTED));
    coco_process_when_start_told(process, count, &n);
    cr_assert_eq(n, 2);
}

Test(process, whoever_waits_for_a_start_hears_of_its_failure)
{
    g_autoptr(CocoProcess) process = new_process();
    unsigned int n = 0;

    cr_assert(coco_process_step(process, COCO_PROCESS_EV_START));
    coco_process_when_start_told(process, count, &n);
    cr_assert(coco_process_stop(process, COCO_PROCESS_EV_START_FAILED, 127));
    cr_assert_eq(n, 1);
    cr_assert_eq(coco_process_exit_status(process), 127);
}

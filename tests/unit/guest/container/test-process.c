// SPDX-License-Identifier: Apache-2.0
/*
 * Waits and signals, and which signals the kernel drops for the init of a pid namespace.
 */
#include "guest/container/process.h"

#include <signal.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"

#define INIT_STATUS "Name:\tsleep\nPid:\t300\nNSpid:\t300\t1\nThreads:\t1\n"
#define MASKS(blocked, ignored, caught)                                                            \
    "SigBlk:\t" blocked "\nSigIgn:\t" ignored "\nSigCgt:\t" caught "\nCapInh:\t0\n"
#define NONE "0000000000000000"
#define TERM "0000000000004000"

Test(process, default_actions_of_an_init_are_dropped)
{
    cr_assert(coco_guest_process_init_would_drop(INIT_STATUS MASKS(NONE, NONE, NONE), SIGTERM));
    cr_assert(coco_guest_process_init_would_drop(INIT_STATUS MASKS(NONE, NONE, NONE), SIGRTMIN));
    cr_assert_not(coco_guest_process_init_would_drop(INIT_STATUS MASKS(NONE, NONE, TERM), SIGTERM));
    cr_assert_not(coco_guest_process_init_would_drop(INIT_STATUS MASKS(NONE, TERM, NONE), SIGTERM));
    cr_assert_not(coco_guest_process_init_would_drop(INIT_STATUS MASKS(TERM, NONE, NONE), SIGTERM));
    cr_assert_not(coco_guest_process_init_would_drop(INIT_STATUS MASKS(NONE, NONE, NONE), SIGCHLD));
    cr_assert_not(
        coco_guest_process_init_would_drop(INIT_STATUS MASKS(NONE, NONE, NONE), SIGWINCH));
    cr_assert_not(coco_guest_process_init_would_drop(INIT_STATUS MASKS(NONE, NONE, NONE), SIGKILL));
}

Test(process, others_are_not_inits)
{
    cr_assert_not(coco_guest_process_init_would_drop(
        "Pid:\t300\nNSpid:\t300\t21\n" MASKS(NONE, NONE, NONE), SIGTERM));
    cr_assert_not(coco_guest_process_init_would_drop("Pid:\t1\nNSpid:\t1\n" MASKS(NONE, NONE, NONE),
                                                     SIGTERM));
    cr_assert_not(coco_guest_process_init_would_drop("", SIGTERM));
}

typedef struct {
    int code;
    unsigned int told;
    int error;
} Heard;

static void
on_exit_code(int exit_code, const GError *error, void *user_data)
{
    Heard *heard = user_data;

    heard->told++;
    heard->code = exit_code;
    heard->error = error != NULL ? error->code : 0;
}

Test(process, many_wait_and_late_ones_are_told_too)
{
    g_autoptr(CocoGuestProcess) process = coco_guest_process_new("x", "true", false);
    Heard heard = { 0 };

    for (int i = 0; i < 10; i++)
        coco_guest_process_wait(process, NULL, on_exit_code, &heard);
    cr_assert_eq(heard.told, 0);
    coco_guest_process_started(process, 4194304);
    cr_assert(coco_guest_process_is_running(process));
    coco_guest_process_exited(process, 42 << 8);
    cr_assert_eq(heard.told, 10);
    cr_assert_eq(heard.code, 42);
    coco_guest_process_wait(process, NULL, on_exit_code, &heard);
    cr_assert_eq(heard.told, 11);
    cr_assert_not(coco_guest_process_is_running(process));
}

Test(process, removal_tells_those_who_wait)
{
    CocoGuestProcess *process = coco_guest_process_new("x", "true", false);
    Heard heard = { 0 };

    coco_guest_process_wait(process, NULL, on_exit_code, &heard);
    coco_guest_process_unref(process);
    cr_assert_eq(heard.error, COCO_TTRPC_NOT_FOUND);
    coco_guest_process_unref(NULL);
}

Test(process, waits_whose_caller_left_make_room)
{
    g_autoptr(CocoGuestProcess) process = coco_guest_process_new("x", "true", false);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Heard gone = { 0 };
    Heard heard = { 0 };

    for (int i = 0; i < COCO_PROCESS_WAITERS_MAX; i++)
        coco_guest_process_wait(process, cancellable, on_exit_code, &gone);
    coco_guest_process_wait(process, NULL, on_exit_code, &heard);
    cr_assert_eq(heard.error, COCO_TTRPC_RESOURCE_EXHAUSTED);
    g_cancellable_cancel(cancellable);
    heard = (Heard){ 0 };
    coco_guest_process_wait(process, NULL, on_exit_code, &heard);
    cr_assert_eq(gone.told, COCO_PROCESS_WAITERS_MAX);
    cr_assert_eq(heard.told, 0);
}

static int
signal_error(CocoGuestProcess *process, uint32_t number)
{
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_guest_process_signal(process, number, &error));
    return error->code;
}

Test(process, signals_that_make_no_sense)
{
    g_autoptr(CocoGuestProcess) process = coco_guest_process_new("x", "true", false);
    g_autoptr(GError) error = NULL;

    cr_assert_eq(signal_error(process, SIGTERM), COCO_TTRPC_FAILED_PRECONDITION);
    cr_assert_eq(signal_error(process, 65), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(signal_error(process, UINT32_MAX), COCO_TTRPC_INVALID_ARGUMENT);
    coco_guest_process_exited(process, 0);
    cr_assert_eq(signal_error(process, SIGTERM), COCO_TTRPC_NOT_FOUND);
    cr_assert_not(coco_guest_process_resize(process, 1, 1, &error));
    cr_assert_eq(error->code, COCO_TTRPC_FAILED_PRECONDITION);
}

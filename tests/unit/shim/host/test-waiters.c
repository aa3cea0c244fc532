// SPDX-License-Identifier: Apache-2.0
#include "shim/host/waiters.h"

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    unsigned int told;
    int code; /* of the error it was told; -1: none */
    GString *order;
    char name;
    GCancellable *ends; /* a caller that gives up when this one is told */
    CocoWaiters *frees;
    CocoWaiters *adds;
} Seen;

static void
on_told(const GError *error, void *user_data)
{
    Seen *seen = user_data;

    seen->told++;
    seen->code = error != NULL ? error->code : -1;
    if (seen->order != NULL)
        g_string_append_c(seen->order, seen->name);
    if (seen->ends != NULL)
        g_cancellable_cancel(seen->ends);
    if (seen->adds != NULL && seen->told < 5)
        coco_waiters_add(seen->adds, NULL, on_told, seen);
    coco_waiters_free(seen->frees);
}

Test(waiters, are_told_once_in_their_order)
{
    g_autoptr(CocoWaiters) waiters = coco_waiters_new();
    g_autoptr(GString) order = g_string_new(NULL);
    Seen seen[3] = { { .order = order, .name = 'a' },
                     { .order = order, .name = 'b' },
                     { .order = order, .name = 'c' } };

    for (size_t i = 0; i < G_N_ELEMENTS(seen); i++)
        coco_waiters_add(waiters, NULL, on_told, &seen[i]);
    cr_assert_str_eq(order->str, "");
    coco_waiters_tell(waiters, NULL);
    coco_waiters_tell(waiters, NULL);
    cr_assert_str_eq(order->str, "abc");
    cr_assert_eq(seen[0].code, -1);
}

Test(waiters, who_gives_up_is_told_so_and_forgotten)
{
    g_autoptr(CocoWaiters) waiters = coco_waiters_new();
    g_autoptr(GCancellable) caller = g_cancellable_new();
    Seen gone = { 0 };
    Seen stays = { 0 };

    coco_waiters_add(waiters, caller, on_told, &gone);
    coco_waiters_add(waiters, NULL, on_told, &stays);
    g_cancellable_cancel(caller);
    cr_assert_eq(gone.told, 1);
    cr_assert_eq(gone.code, COCO_TTRPC_CANCELLED);
    cr_assert_eq(stays.told, 0);
    coco_waiters_tell(waiters, NULL);
    cr_assert_eq(gone.told, 1);
    cr_assert_eq(stays.told, 1);
    coco_waiters_add(waiters, caller, on_told, &gone);
    cr_assert_eq(gone.told, 2, "had given up before");
}

Test(waiters, who_was_told_is_not_told_of_its_caller)
{
    g_autoptr(CocoWaiters) waiters = coco_waiters_new();
    g_autoptr(GCancellable) caller = g_cancellable_new();
    Seen seen = { 0 };

    coco_waiters_add(waiters, caller, on_told, &seen);
    coco_waiters_tell(waiters, NULL);
    g_cancellable_cancel(caller);
    cr_assert_eq(seen.told, 1);
    cr_assert_eq(seen.code, -1);
}

/* A connection that breaks while the first of its calls is answered takes the others along. */
Test(waiters, one_that_is_told_may_end_anothers_caller)
{
    g_autoptr(CocoWaiters) waiters = coco_waiters_new();
    g_autoptr(GCancellable) caller = g_cancellable_new();
    Seen first = { .ends = caller };
    Seen second = { 0 };
    Seen third = { 0 };

    coco_waiters_add(waiters, NULL, on_told, &first);
    coco_waiters_add(waiters, caller, on_told, &second);
    coco_waiters_add(waiters, NULL, on_told, &third);
    coco_waiters_tell(waiters, NULL);
    cr_assert_eq(second.told, 1);
    cr_assert_eq(second.code, COCO_TTRPC_CANCELLED);
    cr_assert_eq(third.told, 1);
    cr_assert_eq(third.code, -1);
}

Test(waiters, one_that_is_told_may_free_the_list_or_wait_again)
{
    CocoWaiters *waiters = coco_waiters_new();
    Seen again = { .adds = waiters };
    Seen frees = { .frees = waiters };
    Seen last = { 0 };

    coco_waiters_add(waiters, NULL, on_told, &again);
    coco_waiters_tell(waiters, NULL);
    cr_assert_eq(again.told, 1, "waits for the next time");
    coco_waiters_add(waiters, NULL, on_told, &frees);
    coco_waiters_add(waiters, NULL, on_told, &last);
    coco_waiters_tell(waiters, NULL);
    cr_assert_eq(again.told, 2);
    cr_assert_eq(frees.told, 1);
    cr_assert_eq(last.told, 0);
}

Test(waiters, are_not_without_number)
{
    g_autoptr(CocoWaiters) waiters = coco_waiters_new();
    g_autoptr(GError) error = g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, "gone");
    Seen many = { 0 };
    Seen refused = { 0 };

    for (unsigned int i = 0; i < COCO_WAITERS_MAX; i++)
        coco_waiters_add(waiters, NULL, on_told, &many);
    cr_assert_eq(many.told, 0);
    coco_waiters_add(waiters, NULL, on_told, &refused);
    cr_assert_eq(refused.told, 1);
    cr_assert_eq(refused.code, COCO_TTRPC_RESOURCE_EXHAUSTED);
    coco_waiters_tell(waiters, error);
    cr_assert_eq(many.told, COCO_WAITERS_MAX);
    cr_assert_eq(many.code, COCO_TTRPC_NOT_FOUND);
}

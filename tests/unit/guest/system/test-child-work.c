// SPDX-License-Identifier: Apache-2.0
/*
 * What a function in a child gives, and the order of a queue.
 */
#include "guest/system/child-work.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    CocoReaper *reaper;
    CocoChildQueue *queue;
    GString *told; /* "TEXT;" or "CODE: TEXT;" in the order in which it was told */
    unsigned int n_told;
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_child_queue_free(rig->queue);
    coco_reaper_free(rig->reaper);
    (void) g_string_free(rig->told, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static Rig
rig_new(void)
{
    Rig rig = { .reaper = coco_reaper_new(NULL), .told = g_string_new(NULL) };

    rig.queue = coco_child_queue_new(rig.reaper);
    return rig;
}

static void
on_done(const char *text, const GError *error, void *user_data)
{
    Rig *rig = user_data;

    cr_assert_eq(text == NULL, error != NULL);
    if (error != NULL)
        g_string_append_printf(rig->told, "%d: %s;", error->code, error->message);
    else
        g_string_append_printf(rig->told, "%s;", text);
    rig->n_told++;
}

static char *
give(void *data, GError **error)
{
    const char *text = data;

    if (*text != '!')
        return g_strdup(text);
    g_set_error_literal(error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, text + 1);
    return NULL;
}

static char *
wait_for_ever(void *data, GError **error)
{
    while (pause() < 0)
        ;
    return NULL;
}

static char *
crash(void *data, GError **error)
{
    (void) kill(getpid(), SIGKILL);
    return NULL;
}

static void
add(Rig *rig, CocoChildWorkFunc func, const char *data, unsigned int deadline_s)
{
    const CocoChildWork work = { "try", deadline_s, func, (char *) data };

    coco_child_queue_add(rig->queue, &work, on_done, rig);
}

static void
run_until(const Rig *rig, unsigned int count)
{
    while (rig->n_told < count)
        (void) g_main_context_iteration(NULL, TRUE);
}

Test(child_work, one_after_the_other, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();

    coco_child_queue_add(rig.queue, NULL, on_done, &rig);
    cr_assert_eq(rig.n_told, 1, "nothing to wait for");
    add(&rig, wait_for_ever, NULL, 1);
    add(&rig, give, "one", 30);
    add(&rig, give, "!no such thing", 30);
    coco_child_queue_add(rig.queue, NULL, on_done, &rig);
    add(&rig, crash, NULL, 30);
    cr_assert_eq(rig.n_told, 1, "none at once");
    run_until(&rig, 6);
    cr_assert_str_eq(rig.told->str, ";4: try: not done after 1 s;one;5: no such thing;;"
                                    "13: try: killed by signal 9 (Killed);");
}

Test(child_work, a_long_text_comes_whole, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();
    g_autofree char *text = g_strnfill(20000, 'x');

    add(&rig, give, text, 30);
    run_until(&rig, 1);
    cr_assert_eq(rig.told->len, 20001);
}

Test(child_work, the_end_of_a_queue_is_told, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();

    add(&rig, wait_for_ever, NULL, 5);
    add(&rig, give, "one", 5);
    coco_child_queue_free(g_steal_pointer(&rig.queue));
    cr_assert_str_eq(rig.told->str, "1: the agent ends;1: the agent ends;");
}

Test(child_work, one_that_is_not_wanted_any_more, .timeout = 60)
{
    g_auto(Rig) rig = rig_new();
    const CocoChildWork work = { "try", 30, wait_for_ever, NULL };
    CocoChildWorkRun *run = coco_child_work_run(rig.reaper, &work, on_done, &rig, NULL);

    cr_assert_not_null(run);
    coco_child_work_cancel(run);
    run_until(&rig, 1);
    cr_assert_str_eq(rig.told->str, "13: try: cancelled;");
}

// SPDX-License-Identifier: Apache-2.0
/*
 * shim/pod/pod.c: a pod that nobody uses ends itself, and leaves nothing.
 */
#include "shim/pod/pod.h"

#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "shim/host/tree-remove.h"

typedef struct {
    char *base;
    CocoPodDir *dir;
    GMainLoop *loop;
    CocoSignals *signals;
    CocoPod *pod;
} Rig;

static void
on_term(void *user_data)
{
}

static void
set_up(Rig *rig, unsigned int idle_ms)
{
    g_autofree char *socket = NULL;

    *rig = (Rig){ .base = g_dir_make_tmp("coco-pod-XXXXXX", NULL),
                  .loop = g_main_loop_new(NULL, FALSE) };
    socket = g_build_filename(rig->base, "pod", "shim.sock", NULL);
    rig->dir = coco_pod_dir_new_for_socket(socket);
    rig->signals = coco_signals_new(on_term, NULL, NULL);
    cr_assert(coco_pod_dir_make(rig->dir, NULL));
    rig->pod = coco_pod_new(&(CocoPodConfig){ .id = "a",
                                              .ns = "default",
                                              .config_path = "/nowhere.conf",
                                              .ttrpc_address = "",
                                              .dir = rig->dir,
                                              .signals = rig->signals,
                                              .loop = rig->loop,
                                              .idle_ms = idle_ms });
}

static void
tear_down(Rig *rig)
{
    coco_pod_free(rig->pod);
    coco_signals_free(rig->signals);
    coco_pod_dir_free(rig->dir);
    g_main_loop_unref(rig->loop);
    (void) coco_tree_remove(rig->base);
    g_free(rig->base);
}

static gboolean
on_too_late(void *user_data)
{
    Rig *rig = user_data;

    g_main_loop_quit(rig->loop);
    return G_SOURCE_CONTINUE;
}

/* TRUE when the pod has ended itself before. */
static bool
ends_within(Rig *rig, unsigned int milliseconds)
{
    unsigned int late = g_timeout_add(milliseconds, on_too_late, rig);

    g_main_loop_run(rig->loop);
    g_source_remove(late);
    return access(coco_pod_dir_path(rig->dir), F_OK) != 0;
}

Test(pod, that_nobody_comes_for_ends_itself)
{
    Rig rig;

    set_up(&rig, 20);
    cr_expect(ends_within(&rig, 10000));
    tear_down(&rig);
}

Test(pod, with_a_container_stays)
{
    Rig rig;
    CocoProcessConfig config = {
        .container_id = "c", .exec_id = "", .ns = "default", .in = "", .out = "", .err = ""
    };

    set_up(&rig, 20);
    config.signals = rig.signals;
    coco_pod_add(rig.pod, coco_container_new("c", "/bundle", coco_process_new(&config)));
    cr_expect(not(ends_within(&rig, 200)));
    tear_down(&rig);
}

static void
on_vm_gone(CocoPodVm *vm, const GError *reason, void *user_data)
{
}

Test(pod, as_a_sandbox_that_is_not_started_ends_itself)
{
    Rig rig;

    set_up(&rig, 20);
    coco_pod_become_sandbox(rig.pod, on_vm_gone, NULL);
    cr_expect(ends_within(&rig, 10000));
    tear_down(&rig);
}

Test(pod, as_a_sandbox_that_was_started_stays)
{
    Rig rig;

    set_up(&rig, 20);
    coco_pod_become_sandbox(rig.pod, on_vm_gone, NULL);
    cr_assert(coco_pod_vm_launch(coco_pod_vm(rig.pod), &(CocoLaunchNeeds){ 0 }, NULL));
    cr_expect(not(ends_within(&rig, 200)));
    tear_down(&rig);
}

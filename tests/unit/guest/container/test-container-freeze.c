// SPDX-License-Identifier: Apache-2.0
/*
 * What a pause under way allows, with plain files in place of a cgroup.
 */
#include "guest/container/container-private.h"

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "guest/system/directory-tree.h"

typedef struct {
    char *root;
    CocoLayout *layout;
    CocoGuestContainerHost host;
    CocoGuestContainer *container;
    int code; /* of what ended last, -1 before */
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_guest_container_freeze_cancel(rig->container);
    coco_guest_container_unref(rig->container);
    coco_file_watcher_unref(rig->host.files);
    coco_layout_free(rig->layout);
    coco_directory_tree_remove(rig->root);
    g_free(rig->root);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
put(const Rig *rig, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(rig->root, name, NULL);

    cr_assert(g_file_set_contents(path, text, -1, NULL));
}

static void
rig_start(Rig *rig)
{
    rig->root = g_dir_make_tmp("coco-freeze-XXXXXX", NULL);
    rig->layout = coco_layout_new(rig->root);
    rig->host.layout = rig->layout;
    rig->host.files = coco_file_watcher_new();
    rig->container = coco_guest_container_new(&rig->host, "c");
    rig->container->state = COCO_CONTAINER_RUNNING;
    g_free(rig->container->cgroup);
    rig->container->cgroup = g_strdup(rig->root);
    rig->code = -1;
    put(rig, "cgroup.freeze", "0");
    put(rig, "cgroup.events", "populated 1\nfrozen 0\n");
}

static void
on_done(const GError *error, void *user_data)
{
    Rig *rig = user_data;

    rig->code = error != NULL ? error->code : 0;
}

Test(container_freeze, nothing_is_run_in_what_is_being_paused)
{
    g_auto(Rig) rig = { 0 };
    char *args[] = { (char *) "sh" };
    Grpc__Process process;

    grpc__process__init(&process);
    process.args = args;
    process.n_args = 1;
    rig_start(&rig);
    coco_guest_container_freeze(rig.container, true, on_done, &rig);
    cr_assert_eq(rig.code, -1);
    coco_guest_container_exec(rig.container, "e", &process, on_done, &rig);
    cr_assert_eq(rig.code, COCO_TTRPC_FAILED_PRECONDITION);
    cr_assert_null(coco_guest_container_find_process(rig.container, "e", NULL));
}

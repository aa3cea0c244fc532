// SPDX-License-Identifier: Apache-2.0
/*
 * The end of a container: what runs is killed, and when the kernel says that nothing does any more,
 * its cgroup, the runtime's state and the bundle go. The undo of a creation is the same, for a
 * runtime that died or hung may have left any part of it.
 *
 * Done by hand and not with `crun delete --force`, which waits in sleeps, knows nothing of a
 * container whose state it had not written yet, and takes 0.2 s under TCG.
 */
#include <signal.h>

#include "guest/container/container-private.h"
#include "guest/container/pins.h"
#include "guest/system/cgroup.h"
#include "guest/system/directory-tree.h"

/* A process in a system call that cannot be interrupted, on a file system whose server hangs for
 * instance, outlives SIGKILL. */
#define END_TIMEOUT_S 10
#define END_TIMEOUT_MAX_S 600

struct _CocoEnding {
    CocoFileWatch *watch; /* nullable: without a cgroup there is nothing to watch */
    unsigned int timeout_s;
    guint timeout_id;
    CocoGuestContainerDone done;
    void *user_data;
};

static void
finish(CocoGuestContainer *container, const GError *error)
{
    CocoEnding *ending = g_steal_pointer(&container->ending);

    g_clear_handle_id(&ending->timeout_id, g_source_remove);
    g_clear_pointer(&ending->watch, coco_file_watch_free);
    ending->done(error, ending->user_data);
    g_free(ending);
}

/* False while something runs. */
static bool
take_away(const CocoGuestContainer *container)
{
    if (container->init != NULL && coco_guest_process_is_running(container->init))
        return false;
    if (!coco_cgroup_remove(container->cgroup))
        return false;
    coco_crun_forget(container->host->crun, container->id);
    coco_pins_remove(container->bundle);
    coco_directory_tree_remove(container->bundle);
    return true;
}

static void
on_change(void *user_data)
{
    CocoGuestContainer *container = user_data;

    if (container->ending != NULL && take_away(container))
        finish(container, NULL);
}

static void
on_init_gone(int exit_code, const GError *error, void *user_data)
{
    g_autoptr(CocoGuestContainer) container = user_data;

    on_change(container);
}

static gboolean
on_timeout(void *user_data)
{
    g_autoptr(CocoGuestContainer) container = coco_guest_container_ref(user_data);
    g_autoptr(GError) error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                                          "container %s: its processes did not end in %u s",
                                          container->id, container->ending->timeout_s);

    container->ending->timeout_id = 0;
    finish(container, error);
    return G_SOURCE_REMOVE;
}

void
coco_guest_container_end(CocoGuestContainer *container, CocoGuestContainerDone done,
                         void *user_data)
{
    g_autofree char *events = g_build_filename(container->cgroup, "cgroup.events", NULL);
    CocoEnding *ending = g_new0(CocoEnding, 1);

    ending->timeout_s = container->end_timeout_s != 0
                            ? MIN(container->end_timeout_s, END_TIMEOUT_MAX_S)
                            : END_TIMEOUT_S;
    ending->done = done;
    ending->user_data = user_data;
    container->ending = ending;
    /* Before the kill: else its effect could come before the watch. */
    ending->watch = coco_file_watch_new(container->host->files, events, on_change, container, NULL);
    ending->timeout_id = g_timeout_add_seconds(ending->timeout_s, on_timeout, container);
    (void) coco_cgroup_kill(container->cgroup, NULL);
    if (container->init != NULL && coco_guest_process_is_running(container->init)) {
        (void) kill(coco_guest_process_get_pid(container->init), SIGKILL);
        coco_guest_process_wait(container->init, NULL, on_init_gone,
                                coco_guest_container_ref(container));
    } else {
        on_change(container);
    }
}

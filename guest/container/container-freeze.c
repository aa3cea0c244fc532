// SPDX-License-Identifier: Apache-2.0
/*
 * Pause and resume. The cgroup freezer works in the background; the kernel reports the end as a
 * change of cgroup.events, which is watched. If it does not come in FREEZE_TIMEOUT_S (a process
 * that cannot be stopped), a pause is taken back and fails.
 */
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/container-private.h"
#include "guest/system/cgroup.h"

#define FREEZE_TIMEOUT_S 10

struct _CocoFreeze {
    CocoVerb *verb;
    bool wanted;
    CocoFileWatch *watch;
    guint timeout_id;
};

static void
freeze_end(CocoGuestContainer *container, const GError *error)
{
    CocoFreeze *freeze = g_steal_pointer(&container->freeze);
    CocoVerb *verb = freeze->verb;

    if (error == NULL)
        container->frozen = freeze->wanted;
    g_clear_handle_id(&freeze->timeout_id, g_source_remove);
    coco_file_watch_free(freeze->watch);
    g_free(freeze);
    coco_verb_end(verb, error);
}

void
coco_guest_container_freeze_cancel(CocoGuestContainer *container)
{
    g_autoptr(GError) error = NULL;

    if (container->freeze == NULL)
        return;
    error =
        g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND, "the container was removed");
    freeze_end(container, error);
}

bool
coco_guest_container_is_pausing(const CocoGuestContainer *container)
{
    return container->frozen || (container->freeze != NULL && container->freeze->wanted);
}

static void
on_events(void *user_data)
{
    CocoGuestContainer *container = user_data;

    if (coco_cgroup_is_frozen(container->cgroup) == container->freeze->wanted)
        freeze_end(container, NULL);
}

static gboolean
on_timeout(void *user_data)
{
    CocoGuestContainer *container = user_data;
    g_autoptr(GError) error = NULL;

    container->freeze->timeout_id = 0;
    if (container->freeze->wanted)
        (void) coco_cgroup_set_frozen(container->cgroup, false, NULL);
    error = g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                        "container %s: processes did not %s in %d s", container->id,
                        container->freeze->wanted ? "stop" : "go on", FREEZE_TIMEOUT_S);
    freeze_end(container, error);
    return G_SOURCE_REMOVE;
}

void
coco_guest_container_freeze(CocoGuestContainer *container, bool frozen, CocoGuestContainerDone done,
                            void *user_data)
{
    CocoVerb *verb = coco_verb_new(container, NULL, done, user_data);
    g_autofree char *events = g_build_filename(container->cgroup, "cgroup.events", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoFileWatch) watch = NULL;

    if (container->freeze != NULL) {
        coco_verb_fail(verb, COCO_TTRPC_FAILED_PRECONDITION, "container %s is being %s",
                       container->id, container->freeze->wanted ? "paused" : "resumed");
        return;
    }
    if (!coco_guest_container_check_running(container, &error) ||
        (watch = coco_file_watch_new(container->host->files, events, on_events, container,
                                     &error)) == NULL ||
        !coco_cgroup_set_frozen(container->cgroup, frozen, &error)) {
        coco_verb_end(verb, error);
        return;
    }
    container->freeze = g_new0(CocoFreeze, 1);
    container->freeze->verb = verb;
    container->freeze->wanted = frozen;
    container->freeze->watch = g_steal_pointer(&watch);
    container->freeze->timeout_id = g_timeout_add_seconds(FREEZE_TIMEOUT_S, on_timeout, container);
    on_events(container);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A container's table of processes.
 */
#include "shim/pod/container.h"

struct _CocoContainer {
    char *id;
    char *bundle;
    CocoProcess *init;
    GHashTable *execs; /* exec id -> CocoProcess */
    char **disks;      /* nullable */
    unsigned int kill_source;
    bool created;
    bool doomed;
    CocoContainerDoomFunc on_doom; /* nullable */
    void *on_doom_data;
    bool paused;
};

CocoContainer *
coco_container_new(const char *id, const char *bundle, CocoProcess *init)
{
    CocoContainer *container = g_rc_box_new0(CocoContainer);

    container->id = g_strdup(id);
    container->bundle = g_strdup(bundle);
    container->init = init;
    container->execs =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) coco_process_unref);
    return container;
}

static void
clear(void *data)
{
    CocoContainer *container = data;

    g_clear_handle_id(&container->kill_source, g_source_remove);
    g_hash_table_unref(container->execs);
    coco_process_unref(container->init);
    g_strfreev(container->disks);
    g_free(container->id);
    g_free(container->bundle);
}

CocoContainer *
coco_container_ref(CocoContainer *container)
{
    return g_rc_box_acquire(container);
}

void
coco_container_unref(CocoContainer *container)
{
    if (container != NULL)
        g_rc_box_release_full(container, clear);
}

const char *
coco_container_id(const CocoContainer *container)
{
    return container->id;
}

const char *
coco_container_bundle(const CocoContainer *container)
{
    return container->bundle;
}

CocoProcess *
coco_container_init(const CocoContainer *container)
{
    return container->init;
}

bool
coco_container_is_created(const CocoContainer *container)
{
    return container->created;
}

void
coco_container_set_created(CocoContainer *container)
{
    container->created = true;
}

bool
coco_container_is_doomed(const CocoContainer *container)
{
    return container->doomed;
}

void
coco_container_doom(CocoContainer *container)
{
    container->doomed = true;
    if (container->on_doom != NULL)
        container->on_doom(container->on_doom_data);
}

void
coco_container_set_doom_func(CocoContainer *container, CocoContainerDoomFunc func, void *user_data)
{
    container->on_doom = func;
    container->on_doom_data = user_data;
}

bool
coco_container_is_paused(const CocoContainer *container)
{
    return container->paused;
}

void
coco_container_set_paused(CocoContainer *container, bool paused)
{
    container->paused = paused;
}

void
coco_container_set_disks(CocoContainer *container, char **places)
{
    g_strfreev(container->disks);
    container->disks = places;
}

char **
coco_container_steal_disks(CocoContainer *container)
{
    return g_steal_pointer(&container->disks);
}

void
coco_container_set_kill_source(CocoContainer *container, unsigned int source)
{
    container->kill_source = source;
}

bool
coco_container_has_kill_source(const CocoContainer *container)
{
    return container->kill_source != 0;
}

void
coco_container_exit_told(CocoContainer *container)
{
    g_clear_handle_id(&container->kill_source, g_source_remove);
}

CocoProcess *
coco_container_find(const CocoContainer *container, const char *exec_id)
{
    return exec_id[0] == '\0' ? container->init : g_hash_table_lookup(container->execs, exec_id);
}

void
coco_container_add_exec(CocoContainer *container, CocoProcess *exec)
{
    /* The key lives in the value. */
    g_hash_table_replace(container->execs, (char *) coco_process_exec_id(exec), exec);
}

void
coco_container_remove_exec(CocoContainer *container, const char *exec_id)
{
    g_hash_table_remove(container->execs, exec_id);
}

void
coco_container_each_exec(CocoContainer *container, CocoContainerEachFunc func, void *user_data)
{
    g_autoptr(GList) execs = g_hash_table_get_values(container->execs);

    for (GList *item = execs; item != NULL; item = item->next)
        func(item->data, user_data);
}

unsigned int
coco_container_count_processes(const CocoContainer *container)
{
    return 1 + g_hash_table_size(container->execs);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A queue of tasks for each table. The child of the first has a copy of the table, mounts, remounts
 * or unmounts in the agent's own mount namespace, and says what there is now; the table here
 * changes when it has ended. So no task begins before the one before it is known.
 *
 * A child that is killed over its deadline says nothing: what it had mounted stays, under mount
 * points that are not free then.
 */
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/storage/storage-private.h"
#include "guest/system/child-work.h"

/* Longer than hosts wait for a container. A disk may have much to write before it is unmounted. */
#define ADD_TIMEOUT_S 120
#define FREE_TIMEOUT_S 600

#define RESULT_TYPE "(iaya" COCO_STORAGE_PLACE_TYPE ")" /* code, error text, places */

struct _CocoStorageTask {
    CocoStorageTable *table;
    CocoStorages *storages;     /* NULL: what is mounted gets new options */
    Grpc__Storage *const *list; /* NULL: the set is freed */
    size_t count;
    GPtrArray *unused;     /* of CocoStoragePlace, while a set is freed */
    CocoChildWorkRun *run; /* while it runs */
    CocoStoragesDone done;
    void *user_data;
};

static void run_next(CocoStorageTable *table);

static void
task_end(CocoStorageTask *task, const GError *error)
{
    CocoStorageTable *table = task->table;

    for (unsigned int i = 0; i < task->unused->len; i++)
        coco_storage_place_forget(task->unused->pdata[i]);
    if (task->list == NULL)
        coco_storages_free(task->storages);
    table->current = NULL;
    task->done(error, task->user_data);
    g_ptr_array_unref(task->unused);
    g_free(task);
    run_next(table);
}

static bool
add(const CocoStorageTask *task, GError **error)
{
    return task->storages != NULL
               ? coco_storages_add(task->storages, task->list, task->count, error)
               : coco_storage_table_remount(task->table, task->list, task->count, error);
}

/* ---- in the child ---- */

/* What is mounted by now goes along with an error. */
static char *
add_in_child(void *data, GError **no_error)
{
    const CocoStorageTask *task = data;
    unsigned int first = task->storages != NULL ? task->storages->places->len : 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) result = NULL;
    GVariantBuilder places;

    (void) add(task, &error);
    g_variant_builder_init(&places, G_VARIANT_TYPE("a" COCO_STORAGE_PLACE_TYPE));
    for (unsigned int i = first; task->storages != NULL && i < task->storages->places->len; i++)
        g_variant_builder_add_value(&places,
                                    coco_storage_place_pack(task->storages->places->pdata[i]));
    result = g_variant_ref_sink(g_variant_new("(i^aya" COCO_STORAGE_PLACE_TYPE ")",
                                              error != NULL ? error->code : 0,
                                              error != NULL ? error->message : "", &places));
    return g_variant_print(result, FALSE);
}

static char *
free_in_child(void *data, GError **no_error)
{
    const CocoStorageTask *task = data;

    for (unsigned int i = 0; i < task->unused->len; i++)
        coco_storage_place_free(task->unused->pdata[i]);
    return g_strdup("");
}

/* ---- here ---- */

static void
adopt(CocoStorages *storages, GVariant *packed)
{
    CocoStoragePlace *place = coco_storage_place_unpack(storages->table, packed);
    GPtrArray *places = storages->table->places;

    for (unsigned int i = 0; i < places->len; i++) {
        CocoStoragePlace *old = places->pdata[i];

        if (strcmp(old->path, place->path) == 0) {
            coco_storage_place_forget(place);
            coco_storages_use(storages, old);
            return;
        }
    }
    coco_storage_place_keep(place);
    coco_storages_use(storages, place);
}

static bool
adopt_all(CocoStorageTask *task, const char *text, GError **error)
{
    g_autoptr(GVariant) result =
        g_variant_parse(G_VARIANT_TYPE(RESULT_TYPE), text, NULL, NULL, NULL);
    g_autoptr(GVariant) places = NULL;
    g_autofree char *cause = NULL;
    int code;

    if (result == NULL)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL,
                                 "mount storages: the result cannot be read");
    g_variant_get(result, "(i^ay@a" COCO_STORAGE_PLACE_TYPE ")", &code, &cause, &places);
    for (size_t i = 0; i < g_variant_n_children(places); i++) {
        g_autoptr(GVariant) packed = g_variant_get_child_value(places, i);

        adopt(task->storages, packed);
    }
    for (unsigned int i = 0; task->storages != NULL && i < task->storages->places->len; i++)
        coco_storage_place_complete(task->storages->places->pdata[i]);
    if (code != 0)
        g_set_error_literal(error, COCO_TTRPC_ERROR, code, cause);
    return code == 0;
}

static void
on_work_done(const char *text, const GError *error, void *user_data)
{
    CocoStorageTask *task = user_data;
    g_autoptr(GError) failure = NULL;

    task->run = NULL;
    if (error == NULL && task->list != NULL)
        (void) adopt_all(task, text, &failure);
    task_end(task, error != NULL ? error : failure);
}

static const char *
name_of(const CocoStorageTask *task)
{
    if (task->list == NULL)
        return "unmount storages";
    return task->storages != NULL ? "mount storages" : "remount storages";
}

static bool
start_child(CocoStorageTask *task)
{
    const CocoChildWork work = {
        .name = name_of(task),
        .deadline_s = task->list != NULL ? ADD_TIMEOUT_S : FREE_TIMEOUT_S,
        .func = task->list != NULL ? add_in_child : free_in_child,
        .data = task,
    };
    g_autoptr(GError) error = NULL;

    if (task->table->reaper == NULL)
        return false;
    task->run = coco_child_work_run(task->table->reaper, &work, on_work_done, task, &error);
    if (task->run == NULL)
        g_message("%s; it is done here", error->message);
    return task->run != NULL;
}

/* Counted down here; what nobody uses any more is the task's. */
static void
take_unused(CocoStorageTask *task)
{
    GPtrArray *places = task->storages->places;

    while (places->len > 0) {
        CocoStoragePlace *place = g_ptr_array_steal_index(places, places->len - 1);

        if (coco_storage_place_unuse(place))
            g_ptr_array_add(task->unused, place);
    }
}

static void
add_here(CocoStorageTask *task)
{
    g_autoptr(GError) error = NULL;

    (void) add(task, &error);
    task_end(task, error);
}

static void
free_here(CocoStorageTask *task)
{
    while (task->unused->len > 0)
        coco_storage_place_free(g_ptr_array_remove_index(task->unused, 0));
    task_end(task, NULL);
}

static void
run_next(CocoStorageTable *table)
{
    CocoStorageTask *task = table->current == NULL ? g_queue_pop_head(&table->tasks) : NULL;

    if (task == NULL)
        return;
    table->current = task;
    if (task->list == NULL)
        take_unused(task);
    if ((task->list != NULL || task->unused->len > 0) && start_child(task))
        return;
    if (task->list != NULL)
        add_here(task);
    else
        free_here(task);
}

static void
queue_task(CocoStorageTable *table, CocoStorages *storages, Grpc__Storage *const *list,
           size_t count, CocoStoragesDone done, void *user_data)
{
    CocoStorageTask *task = g_new0(CocoStorageTask, 1);

    task->table = table;
    task->storages = storages;
    task->list = list;
    task->count = count;
    task->unused = g_ptr_array_new();
    task->done = done;
    task->user_data = user_data;
    g_queue_push_tail(&table->tasks, task);
    run_next(table);
}

void
coco_storages_add_async(CocoStorages *storages, Grpc__Storage *const *list, size_t count,
                        CocoStoragesDone done, void *user_data)
{
    if (count == 0)
        done(NULL, user_data);
    else
        queue_task(storages->table, storages, list, count, done, user_data);
}

void
coco_storage_table_remount_async(CocoStorageTable *table, Grpc__Storage *const *list, size_t count,
                                 CocoStoragesDone done, void *user_data)
{
    if (count == 0)
        done(NULL, user_data);
    else
        queue_task(table, NULL, list, count, done, user_data);
}

static bool
has_task(const CocoStorages *storages)
{
    const CocoStorageTable *table = storages->table;
    bool found = table->current != NULL && table->current->storages == storages;

    for (const GList *link = table->tasks.head; link != NULL && !found; link = link->next)
        found = ((const CocoStorageTask *) link->data)->storages == storages;
    return found;
}

void
coco_storages_free_async(CocoStorages *storages, CocoStoragesDone done, void *user_data)
{
    if (storages->places->len > 0 || has_task(storages)) {
        queue_task(storages->table, storages, NULL, 0, done, user_data);
        return;
    }
    coco_storages_free(storages);
    done(NULL, user_data);
}

/* Those whose turn has not come have changed nothing. */
void
coco_storage_table_stop(CocoStorageTable *table)
{
    g_autoptr(GError) error =
        g_error_new_literal(COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED, "the agent ends");
    GQueue tasks = table->tasks;
    CocoStorageTask *task = table->current;

    g_queue_init(&table->tasks);
    table->reaper = NULL; /* what those who are told still ask for is done here */
    if (task != NULL)
        coco_child_work_forget(g_steal_pointer(&task->run));
    for (; task != NULL; task = g_queue_pop_head(&tasks))
        task_end(task, error);
}

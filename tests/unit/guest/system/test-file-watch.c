// SPDX-License-Identifier: Apache-2.0
#include "guest/system/file-watch.h"

#include <glib/gstdio.h>

#include <criterion/criterion.h>

#include "guest/system/directory-tree.h"

#define N_FILES 300 /* more than the 128 inotify instances that a user has */

typedef struct {
    char *directory;
    CocoFileWatcher *watcher;
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_file_watcher_unref(rig->watcher);
    coco_directory_tree_remove(rig->directory);
    g_free(rig->directory);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
rig_start(Rig *rig)
{
    rig->directory = g_dir_make_tmp("coco-file-watch-XXXXXX", NULL);
    rig->watcher = coco_file_watcher_new();
}

static char *
file_path(const Rig *rig, unsigned int number)
{
    g_autofree char *name = g_strdup_printf("%u", number);

    return g_build_filename(rig->directory, name, NULL);
}

static void
change(const Rig *rig, unsigned int number)
{
    g_autofree char *path = file_path(rig, number);
    FILE *file = fopen(path, "a");

    cr_assert_not_null(file);
    (void) fputs("x", file);
    (void) fclose(file);
}

static CocoFileWatch *
watch(Rig *rig, unsigned int number, CocoFileWatchFunc func, void *user_data)
{
    g_autofree char *path = file_path(rig, number);
    g_autoptr(GError) error = NULL;
    CocoFileWatch *watch;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        cr_assert(g_file_set_contents(path, "", 0, NULL));
    watch = coco_file_watch_new(rig->watcher, path, func, user_data, &error);
    cr_assert_not_null(watch, "%s", error != NULL ? error->message : "");
    return watch;
}

static void
count(void *user_data)
{
    (*(unsigned int *) user_data)++;
}

/* All that has happened is told when nothing is left to do. */
static void
run(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

Test(file_watch, each_of_many_files_is_told, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    CocoFileWatch *watches[N_FILES];
    unsigned int counts[N_FILES] = { 0 };

    rig_start(&rig);
    for (unsigned int i = 0; i < N_FILES; i++)
        watches[i] = watch(&rig, i, count, &counts[i]);
    for (unsigned int i = 0; i < N_FILES; i += 2)
        change(&rig, i);
    run();
    for (unsigned int i = 0; i < N_FILES; i++) {
        cr_assert_eq(counts[i] > 0, i % 2 == 0, "file %u", i);
        coco_file_watch_free(watches[i]);
    }
}

Test(file_watch, one_file_may_have_several_watches, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    unsigned int counts[2] = { 0 };
    CocoFileWatch *first;
    CocoFileWatch *second;

    rig_start(&rig);
    first = watch(&rig, 0, count, &counts[0]);
    second = watch(&rig, 0, count, &counts[1]);
    change(&rig, 0);
    run();
    cr_assert(counts[0] > 0 && counts[1] > 0);
    coco_file_watch_free(first);
    counts[0] = counts[1] = 0;
    change(&rig, 0);
    run();
    cr_assert(counts[0] == 0 && counts[1] > 0, "the other goes on");
    coco_file_watch_free(second);
}

typedef struct {
    CocoFileWatch *watches[2];
    unsigned int n_told;
} Pair;

static void
free_both(void *user_data)
{
    Pair *pair = user_data;

    pair->n_told++;
    g_clear_pointer(&pair->watches[0], coco_file_watch_free);
    g_clear_pointer(&pair->watches[1], coco_file_watch_free);
}

Test(file_watch, watches_may_be_freed_while_told, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    Pair pair = { 0 };

    rig_start(&rig);
    pair.watches[0] = watch(&rig, 0, free_both, &pair);
    pair.watches[1] = watch(&rig, 1, free_both, &pair);
    change(&rig, 0);
    change(&rig, 1);
    run();
    cr_assert_eq(pair.n_told, 1);
}

Test(file_watch, a_file_that_goes_is_no_harm, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *path = NULL;
    unsigned int counts[2] = { 0 };
    CocoFileWatch *gone;
    CocoFileWatch *other;

    rig_start(&rig);
    path = file_path(&rig, 0);
    gone = watch(&rig, 0, count, &counts[0]);
    (void) g_unlink(path);
    run();
    other = watch(&rig, 0, count, &counts[1]);
    change(&rig, 0);
    run();
    cr_assert(counts[0] == 0 && counts[1] > 0);
    coco_file_watch_free(gone);
    coco_file_watch_free(other);
    coco_file_watch_free(NULL);
    coco_file_watcher_unref(NULL);
}

Test(file_watch, what_is_not_there_is_an_error)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    rig_start(&rig);
    path = file_path(&rig, 0);
    cr_assert_null(coco_file_watch_new(rig.watcher, path, count, NULL, &error));
    cr_assert(g_str_has_suffix(error->message, "No such file or directory"), "%s", error->message);
}

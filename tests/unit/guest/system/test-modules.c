// SPDX-License-Identifier: Apache-2.0
/*
 * What can be seen without a kernel that would load anything: that a child loads, and that only
 * what was loaded is removed.
 */
#include "guest/system/modules.h"

#include <criterion/criterion.h>

#include "guest/system/directory-tree.h"

static unsigned int n_done; /* the queue's function has no data */

static void
on_done(void)
{
    n_done++;
}

Test(modules, a_list_is_loaded_in_a_child, .timeout = 30)
{
    g_autofree char *directory = g_dir_make_tmp("coco-modules-XXXXXX", NULL);
    g_autofree char *list = g_build_filename(directory, "later.list", NULL);
    g_autofree char *module = g_build_filename(directory, "broken.ko", NULL);
    g_autofree char *text = g_strdup_printf("# comment\n%s\n%s/gone.ko\n", module, directory);
    g_autoptr(CocoReaper) reaper = coco_reaper_new(NULL);
    g_autoptr(CocoChildQueue) queue = coco_child_queue_new(reaper);

    cr_assert(g_file_set_contents(module, "no module", -1, NULL));
    cr_assert(g_file_set_contents(list, text, -1, NULL));
    coco_modules_queue_list(queue, list, on_done);
    coco_modules_queue_list(queue, "/proc/nonexistent", on_done);
    cr_assert_eq(n_done, 0, "not at once");
    while (n_done < 2)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert(g_file_test(module, G_FILE_TEST_EXISTS), "it was not loaded");
    coco_directory_tree_remove(directory);
}

Test(modules, one_that_no_list_has_is_not_found)
{
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_modules_load_named("no-such", NULL, 0, &error));
    cr_assert_str_eq(error->message, "load module 'no-such': the guest image does not have it");
    cr_assert_not(coco_modules_are_demanded("no-such"));
}

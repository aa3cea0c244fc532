// SPDX-License-Identifier: Apache-2.0
/*
 * guest/storage/disk-wait.c on a directory with a sys and a dev: what is there is told at once,
 * what does not come is told in time.
 */
#include "guest/storage/disk-wait.h"

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

typedef struct {
    unsigned int calls;
    GError *error;
} Told;

static void
on_told(const GError *error, void *user_data)
{
    Told *told = user_data;

    told->calls++;
    told->error = error != NULL ? g_error_copy(error) : NULL;
}

static char *root;

/* Disk 08 is there; disk 0a is known to the kernel, and cannot be opened yet. */
static void
make_root(void)
{
    static const char *const names[] = { "dev",
                                         "sys/devices/pci0000:00/0000:00:08.0/virtio3/block/vdb",
                                         "sys/devices/pci0000:00/0000:00:0a.0/virtio4/block/vdc" };
    g_autofree char *node = NULL;

    root = g_dir_make_tmp(NULL, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(root, names[i], NULL);

        cr_assert_eq(g_mkdir_with_parents(path, 0700), 0);
    }
    node = g_build_filename(root, "dev/vdb", NULL);
    cr_assert(g_file_set_contents(node, "", 0, NULL));
}

static void
remove_root(void)
{
    coco_directory_tree_remove(root);
    g_free(root);
}

TestSuite(disk_wait, .init = make_root, .fini = remove_root);

static void
wait_for(const char *driver, const char *source, unsigned int timeout_ms, Told *told)
{
    Grpc__Storage storage = GRPC__STORAGE__INIT;
    Grpc__Storage *list[] = { &storage };

    storage.driver = (char *) (uintptr_t) driver;
    storage.source = (char *) (uintptr_t) source;
    coco_disk_wait(root, list, 1, timeout_ms, on_told, told);
    while (told->calls == 0)
        (void) g_main_context_iteration(NULL, TRUE);
}

Test(disk_wait, nothing_to_wait_for)
{
    static const struct {
        const char *driver;
        const char *source;
    } rows[] = { { "blk", "08" },
                 { "blk", "not a place" },
                 { "virtio-fs", "kataShared" },
                 { "blk", "/dev/x" } };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Told told = { 0 };

        wait_for(rows[i].driver, rows[i].source, G_MAXINT, &told);
        cr_assert_eq(told.calls, 1);
        cr_assert_null(told.error, "%s", rows[i].source);
    }
}

Test(disk_wait, a_disk_that_does_not_come)
{
    Told told = { 0 };

    wait_for("blk", "09", 50, &told);
    cr_assert_eq(told.calls, 1);
    cr_assert(g_error_matches(told.error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND));
    cr_assert_str_eq(told.error->message, "find disk '09': the VM has no disk there");
    g_error_free(told.error);
}

Test(disk_wait, a_disk_that_cannot_be_opened)
{
    Told told = { 0 };

    wait_for("blk", "0a", 50, &told);
    cr_assert_eq(told.calls, 1);
    cr_assert(g_error_matches(told.error, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND));
    cr_assert_str_eq(told.error->message, "open disk '/dev/vdc': it is not ready");
    g_error_free(told.error);
}

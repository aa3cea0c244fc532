// SPDX-License-Identifier: Apache-2.0
/*
 * Files in pieces, links, directories, and what must not leave the shared directory.
 */
#include "guest/pod/copy-file.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

static int
copy(const char *base, const char *path, uint32_t mode, const char *data, int64_t offset,
     int64_t size)
{
    g_autofree char *full = path[0] == '/' ? g_strdup(path) : g_build_filename(base, path, NULL);
    g_autoptr(GError) error = NULL;
    Grpc__CopyFileRequest request;

    grpc__copy_file_request__init(&request);
    request.path = full;
    request.file_mode = mode;
    request.file_size = size;
    request.offset = offset;
    request.uid = (int32_t) getuid();
    request.gid = (int32_t) getgid();
    request.data.data = (uint8_t *) data;
    request.data.len = strlen(data);
    return coco_copy_file(base, &request, &error) ? 0 : error->code;
}

static char *
content(const char *base, const char *path)
{
    g_autofree char *full = g_build_filename(base, path, NULL);
    char *text = NULL;

    return g_file_get_contents(full, &text, NULL, NULL) ? text : NULL;
}

Test(copy_file, pieces_appear_as_one_file_at_the_end)
{
    g_autofree char *base = g_dir_make_tmp("coco-copy-XXXXXX", NULL);
    g_autofree char *early = NULL;
    g_autofree char *whole = NULL;
    g_autofree char *again = NULL;

    cr_assert_eq(copy(base, "d/a.json", S_IFREG | 0640, "hello ", 0, 11), 0);
    cr_assert_eq(copy(base, "d/a.yaml", S_IFREG | 0640, "other", 0, 5), 0);
    early = content(base, "d/a.json");
    cr_assert_null(early);
    cr_assert_eq(copy(base, "d/a.json", S_IFREG | 0640, "world", 6, 11), 0);
    whole = content(base, "d/a.json");
    cr_assert_str_eq(whole, "hello world");
    cr_assert_eq(copy(base, "d/a.json", S_IFREG | 0640, "x", 0, 1), 0);
    again = content(base, "d/a.json");
    cr_assert_str_eq(again, "x");
    coco_directory_tree_remove(base);
}

Test(copy_file, links_and_directories)
{
    g_autofree char *base = g_dir_make_tmp("coco-copy-XXXXXX", NULL);
    g_autofree char *link = g_build_filename(base, "l", NULL);
    g_autofree char *target = NULL;

    cr_assert_eq(copy(base, "l", S_IFLNK | 0777, "/etc/passwd", 0, 11), 0);
    target = g_file_read_link(link, NULL);
    cr_assert_str_eq(target, "/etc/passwd");
    cr_assert_eq(copy(base, "sub", S_IFDIR | 0755, "", 0, 0), 0);
    cr_assert_eq(copy(base, "sub", S_IFDIR | 0755, "", 0, 0), 0);
    cr_assert_eq(copy(base, "fifo", S_IFIFO | 0755, "", 0, 0), COCO_TTRPC_INVALID_ARGUMENT);
    coco_directory_tree_remove(base);
}

static unsigned int
mode_of(const char *base, const char *path)
{
    g_autofree char *full = g_build_filename(base, path, NULL);
    struct stat status;

    cr_assert_eq(lstat(full, &status), 0, "%s", path);
    return status.st_mode & 07777;
}

Test(copy_file, modes_are_those_asked_for)
{
    g_autofree char *base = g_dir_make_tmp("coco-copy-XXXXXX", NULL);

    (void) umask(077);
    cr_assert_eq(copy(base, "a/b/file", S_IFREG | 0666, "x", 0, 1), 0);
    cr_assert_eq(copy(base, "dir", S_IFDIR | 02775, "", 0, 0), 0);
    cr_assert_eq(mode_of(base, "a"), 0750);
    cr_assert_eq(mode_of(base, "a/b"), 0750);
    cr_assert_eq(mode_of(base, "a/b/file"), 0666);
    cr_assert_eq(mode_of(base, "dir"), 02775);
    cr_assert_eq(copy(base, "dir", S_IFDIR | 0700, "", 0, 0), 0);
    cr_assert_eq(mode_of(base, "dir"), 0700, "of one that is there, too");
    coco_directory_tree_remove(base);
}

/* Process 1 must not wait for somebody who reads a fifo. */
Test(copy_file, what_is_no_file_is_not_written_to, .timeout = 5)
{
    static const char *const names[] = { "file.coco-copy", "file", "later.coco-copy" };
    g_autofree char *base = g_dir_make_tmp("coco-copy-XXXXXX", NULL);
    g_autofree char *text = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(base, names[i], NULL);

        cr_assert_eq(mkfifo(path, 0600), 0);
    }
    cr_assert_eq(copy(base, "file", S_IFREG | 0600, "x", 0, 1), 0);
    text = content(base, "file");
    cr_assert_str_eq(text, "x");
    cr_assert_eq(copy(base, "later", S_IFREG | 0600, "x", 1, 2), COCO_TTRPC_INTERNAL);
    cr_assert_eq(copy(base, "never", S_IFREG | 0600, "x", 1, 2), COCO_TTRPC_INTERNAL,
                 "a file begins at its beginning");
    cr_assert_eq(copy(base, "file", S_IFDIR | 0700, "", 0, 0), COCO_TTRPC_INTERNAL);
    coco_directory_tree_remove(base);
}

/* A reader finds the old one or the new one. */
Test(copy_file, a_link_is_exchanged)
{
    g_autofree char *base = g_dir_make_tmp("coco-copy-XXXXXX", NULL);
    g_autofree char *link = g_build_filename(base, "..data", NULL);
    g_autofree char *target = NULL;

    cr_assert_eq(copy(base, "..data", S_IFLNK | 0777, "one", 0, 3), 0);
    cr_assert_eq(copy(base, "..data", S_IFLNK | 0777, "two", 0, 3), 0);
    target = g_file_read_link(link, NULL);
    cr_assert_str_eq(target, "two");
    coco_directory_tree_remove(base);
}

Test(copy_file, nothing_leaves_the_directory)
{
    g_autofree char *base = g_dir_make_tmp("coco-copy-XXXXXX", NULL);
    g_autofree char *dotdot = g_build_filename(base, "..", "x", NULL);

    cr_assert_eq(copy(base, "/etc/x", S_IFREG, "x", 0, 1), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(copy(base, dotdot, S_IFREG, "x", 0, 1), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(copy(base, base, S_IFREG, "x", 0, 1), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(copy(base, "out", S_IFLNK, "/etc", 0, 4), 0);
    cr_assert_eq(copy(base, "out/x", S_IFREG, "x", 0, 1), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(copy(base, "a", S_IFREG, "x", -1, 1), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(copy(base, "a", S_IFREG, "x", INT64_MAX, INT64_MAX), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(copy(base, "a", S_IFREG, "x", 1 << 20, 1), COCO_TTRPC_INVALID_ARGUMENT);
    coco_directory_tree_remove(base);
}

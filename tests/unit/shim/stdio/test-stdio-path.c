// SPDX-License-Identifier: Apache-2.0
/*
 * The forms of stdio paths on real fifos and files.
 */
#include "shim/stdio/stdio-path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

static char *
make_fifo(char **out_directory)
{
    char *path;

    *out_directory = g_dir_make_tmp("coco-stdio-XXXXXX", NULL);
    path = g_build_filename(*out_directory, "fifo", NULL);
    cr_assert(eq(int, mkfifo(path, 0600), 0));
    return path;
}

static void
remove_fifo(const char *path, const char *directory)
{
    (void) g_remove(path);
    (void) g_rmdir(directory);
}

Test(stdio_path, nothing_is_nothing)
{
    int fd = 5;
    int spare = 5;

    cr_assert(coco_stdio_path_open_output("", &fd, NULL));
    cr_expect(eq(int, fd, -1));
    cr_assert(coco_stdio_path_open_input("", &fd, &spare, NULL));
    cr_expect(eq(int, fd, -1));
    cr_expect(eq(int, spare, -1));
}

Test(stdio_path, output_does_not_wait_for_a_reader_and_survives_its_end)
{
    g_autofree char *directory = NULL;
    g_autofree char *path = make_fifo(&directory);
    g_auto(CocoFd) fd = -1;
    g_auto(CocoFd) reader = -1;
    char byte;

    cr_assert(coco_stdio_path_open_output(path, &fd, NULL));
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert(eq(sz, write(fd, "a", 1), 1));
    cr_assert(eq(sz, read(reader, &byte, 1), 1));
    coco_fd_clear(&reader);
    cr_expect(eq(sz, write(fd, "b", 1), 1), "no EPIPE when the reader goes");
    remove_fifo(path, directory);
}

Test(stdio_path, tells_fifos_from_files)
{
    g_autofree char *directory = NULL;
    g_autofree char *path = make_fifo(&directory);
    g_autofree char *uri = g_strconcat("fifo://", path, NULL);

    cr_expect(coco_stdio_path_is_fifo(path));
    cr_expect(coco_stdio_path_is_fifo(uri));
    cr_expect(not(coco_stdio_path_is_fifo("/dev/null")));
    cr_expect(not(coco_stdio_path_is_fifo("/no/such/fifo")));
    cr_expect(not(coco_stdio_path_is_fifo("")));
    remove_fifo(path, directory);
}

Test(stdio_path, input_has_no_end_before_its_spare_is_closed)
{
    g_autofree char *directory = NULL;
    g_autofree char *path = make_fifo(&directory);
    g_auto(CocoFd) fd = -1;
    g_auto(CocoFd) spare = -1;
    g_auto(CocoFd) client = -1;
    char byte;

    cr_assert(coco_stdio_path_open_input(path, &fd, &spare, NULL));
    client = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert(eq(sz, write(client, "x", 1), 1));
    coco_fd_clear(&client);
    cr_expect(eq(sz, read(fd, &byte, 1), 1));
    cr_expect(eq(int, (int) read(fd, &byte, 1), -1), "a client that goes is a detach");
    coco_fd_clear(&spare);
    cr_expect(eq(int, (int) read(fd, &byte, 1), 0));
    remove_fifo(path, directory);
}

Test(stdio_path, file_is_appended_to_with_its_directories)
{
    g_autofree char *directory = g_dir_make_tmp("coco-stdio-XXXXXX", NULL);
    g_autofree char *sub = g_build_filename(directory, "a", NULL);
    g_autofree char *path = g_build_filename(sub, "out", NULL);
    g_autofree char *uri = g_strconcat("file://", path, NULL);
    g_autofree char *text = NULL;

    for (unsigned int i = 0; i < 2; i++) {
        g_auto(CocoFd) fd = -1;

        cr_assert(coco_stdio_path_open_output(uri, &fd, NULL));
        cr_assert(eq(sz, write(fd, "x", 1), 1));
    }
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_expect(eq(str, text, "xx"));
    (void) g_remove(path);
    (void) g_rmdir(sub);
    (void) g_rmdir(directory);
}

/* The shim has one thread, which must not wait for a reader. */
Test(stdio_path, file_that_is_a_fifo_is_not_waited_for, .timeout = 20)
{
    g_autofree char *directory = g_dir_make_tmp("coco-stdio-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "out", NULL);
    g_autofree char *uri = g_strconcat("file://", path, NULL);
    g_auto(CocoFd) fd = -1;

    cr_assert(eq(int, mkfifo(path, 0600), 0));
    cr_assert(coco_stdio_path_open_output(uri, &fd, NULL));
    cr_assert(eq(sz, write(fd, "x", 1), 1));
    (void) g_remove(path);
    (void) g_rmdir(directory);
}

Test(stdio_path, errors_name_the_path)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) unknown = NULL;
    int fd;

    cr_assert(not(coco_stdio_path_open_output("/no/such/fifo", &fd, &missing)));
    cr_expect(g_error_matches(missing, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND));
    cr_expect(strstr(missing->message, "/no/such/fifo") != NULL);
    cr_assert(not(coco_stdio_path_open_output("gopher://x", &fd, &unknown)));
    cr_expect(g_error_matches(unknown, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
}

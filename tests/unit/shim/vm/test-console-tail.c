// SPDX-License-Identifier: Apache-2.0
/*
 * What becomes of a console log in an error message. The guest wrote it: nothing in it may get
 * through unclean.
 */
#include "shim/vm/console-tail.h"

#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static char *
tail_of(const char *text, gssize length)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("coco-console-XXXXXX", &path, NULL);
    char *tail;

    cr_assert(g_close(fd, NULL));
    cr_assert(g_file_set_contents(path, text, length, NULL));
    tail = coco_console_tail(path);
    (void) g_remove(path);
    return tail;
}

Test(console_tail, last_lines_on_one_line)
{
    g_autofree char *tail = tail_of("one\r\ntwo\r\n\r\nthree\nfour\n", -1);

    cr_expect(eq(str, tail, "two | three | four"));
}

Test(console_tail, panic_wins_over_the_stack_after_it)
{
    g_autofree char *tail = tail_of("[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root "
                                    "fs\n[ 1.0] Call Trace:\n a\n b\n c\n"
                                    "[ 1.1] ---[ end Kernel panic - not syncing: VFS ]---\n",
                                    -1);

    cr_expect(eq(str, tail, "Kernel panic - not syncing: VFS: Unable to mount root fs"));
}

Test(console_tail, escapes_quotes_and_bytes_are_cleaned)
{
    g_autofree char *tail = tail_of("\033[31mred\033[0m \"said\" \x01\x80\xff\tend\n", -1);

    cr_expect(eq(str, tail, "red 'said' end"));
}

Test(console_tail, bounded)
{
    g_autofree char *text = g_strnfill(1024 * 1024, 'x');
    g_autofree char *tail = tail_of(text, -1);

    cr_expect(le(sz, strlen(tail), (size_t) 400));
}

Test(console_tail, nothing_to_say)
{
    g_autofree char *empty = tail_of("", -1);
    g_autofree char *blank = tail_of("\n\n  \n", -1);

    cr_expect(empty == NULL);
    cr_expect(blank == NULL);
    cr_expect(coco_console_tail("/no/such/file") == NULL);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/console/log-bound.c: files that others append to stay short, their ends stay, and nothing but
 * a file of the directory itself is touched.
 */
#include "vmm/console/log-bound.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib.h>

#include "guest-protocol/posix/fd.h"
#include "tests/unit/vmm/scratch-dir.h"

static off_t
size_of(const char *path)
{
    struct stat info;

    cr_assert_eq(stat(path, &info), 0);
    return info.st_size;
}

Test(log_bound, keeps_the_end_of_what_is_appended)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = scratch_dir_write(dir, "coco.log", "first line\n", 11);
    g_auto(CocoFd) writer = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    g_autofree char *text = NULL;
    CocoLogBound bound;
    size_t length;

    cr_assert_eq(coco_log_bound_open(&bound, dir), 0);
    for (unsigned int i = 0; i < 200000; i++) {
        char line[32];
        int n = g_snprintf(line, sizeof line, "line %u\n", i);

        cr_assert_eq(write(writer, line, (size_t) n), n);
        if (i % 1000 == 0)
            coco_log_bound_check(&bound);
        cr_assert_leq(size_of(path), COCO_LOG_BOUND_MAX + 1000 * 32);
    }
    coco_log_bound_check(&bound);
    cr_assert(g_file_get_contents(path, &text, &length, NULL));
    cr_assert_eq(strncmp(text, "line ", 5), 0, "it begins with a line");
    cr_assert(g_str_has_suffix(text, "line 199998\nline 199999\n"));
    cr_assert_eq(strlen(text), length, "no hole in it");
    coco_log_bound_close(&bound);
    coco_log_bound_close(&bound);
}

Test(log_bound, follows_no_link)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(ScratchDir) away = scratch_dir_new();
    g_autofree char *big = g_malloc0((size_t) COCO_LOG_BOUND_MAX + 10);
    g_autofree char *path = scratch_dir_write(away, "precious", big, (size_t) COCO_LOG_BOUND_MAX);
    g_autofree char *log = scratch_dir_write(dir, "coco.log", big, (size_t) COCO_LOG_BOUND_MAX);
    g_auto(CocoFd) writer = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);
    CocoLogBound bound;

    cr_assert_eq(coco_log_bound_open(&bound, dir), 0);
    cr_assert_eq(write(writer, big, 10), 10);
    cr_assert_eq(unlink(log), 0);
    cr_assert_eq(symlink(path, log), 0);
    coco_log_bound_check(&bound);
    cr_assert_eq(size_of(path), COCO_LOG_BOUND_MAX);
    coco_log_bound_close(&bound);
}

Test(log_bound, of_a_directory_that_is_not_there)
{
    CocoLogBound bound;

    cr_assert_eq(coco_log_bound_open(&bound, "/nowhere"), -ENOENT);
    cr_assert_eq(bound.inotify, -1);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/console/console-log.c: the bound holds at every moment, and the newest bytes are the ones
 * that stay.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>
#include <glib.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/console/console-log.h"

Test(console_log, keeps_the_newest_bytes_within_the_bound)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = g_build_filename(dir, "console.log", NULL);
    g_autoptr(GString) all = g_string_new(NULL);
    g_autofree char *kept = NULL;
    CocoConsoleLog log;
    struct stat info;
    size_t len;

    cr_assert_eq(coco_console_log_open(&log, path), 0);
    for (unsigned int i = 0; i < 200000; i++) {
        char line[32];
        int n = g_snprintf(line, sizeof line, "line %u\n", i);

        cr_assert_eq(coco_console_log_append(&log, line, (size_t) n), 0);
        (void) g_string_append(all, line);
        cr_assert_leq(log.size, COCO_CONSOLE_LOG_MAX);
    }
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_leq(info.st_size, COCO_CONSOLE_LOG_MAX);
    cr_assert_geq(info.st_size, COCO_CONSOLE_LOG_KEEP);
    cr_assert(g_file_get_contents(path, &kept, &len, NULL));
    cr_assert_eq(memcmp(kept, all->str + all->len - len, len), 0);
    coco_console_log_close(&log);
    coco_console_log_close(&log);
}

Test(console_log, starts_empty_and_follows_no_link)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = scratch_dir_write(dir, "old", "old text", 8);
    g_autofree char *link = g_build_filename(dir, "link", NULL);
    g_autofree char *text = NULL;
    CocoConsoleLog log;

    cr_assert_eq(symlink(path, link), 0);
    cr_assert_eq(coco_console_log_open(&log, link), -ELOOP);
    cr_assert_eq(coco_console_log_open(&log, path), 0);
    cr_assert_eq(coco_console_log_append(&log, "new", 3), 0);
    coco_console_log_close(&log);
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_assert_str_eq(text, "new");
}

Test(console_log, a_full_disk_is_told_in_the_log)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *path = g_build_filename(dir, "console.log", NULL);
    g_autofree char *text = NULL;
    CocoConsoleLog log;
    CocoConsoleLog full;

    cr_assert_eq(coco_console_log_open(&log, path), 0);
    cr_assert_eq(coco_console_log_open(&full, "/dev/full"), 0);
    cr_assert_eq(coco_console_log_append(&full, "abc", 3), -ENOSPC);
    cr_assert_eq(full.lost, 3);
    log.lost = full.lost;
    cr_assert_eq(coco_console_log_append(&log, "later", 5), 0);
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_assert_str_eq(text, "\n[3 bytes lost: no space]\nlater");
    coco_console_log_close(&log);
    coco_console_log_close(&full);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/boot-store.c: one copy for all, of what can be told from its next version, and few.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/tee/boot-store.h"

/* Nobody has written them within the last second. */
static const char *const programs[] = { "/bin/sh",    "/bin/cat",   "/bin/ls", "/bin/cp",
                                        "/bin/mkdir", "/bin/chmod", "/bin/ln", "/bin/rm" };

/* The name in the store, or NULL (transfer full). */
static char *
take(const char *dir, const char *source, const char *link)
{
    g_autofree char *path = g_build_filename(dir, "store", NULL);
    g_autofree char *to = g_build_filename(dir, link, NULL);
    g_auto(CocoFd) store = coco_boot_store_open(path);
    g_auto(CocoFd) from = open(source, O_RDONLY | O_CLOEXEC);
    struct stat info;

    cr_assert(store >= 0 && from >= 0);
    cr_assert_eq(fstat(from, &info), 0);
    return coco_boot_store_link(store, from, &info, to);
}

static struct stat
info_of(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    struct stat info;

    cr_assert_eq(stat(path, &info), 0, "%s", path);
    return info;
}

static void
assert_same_content(const char *dir, const char *link, const char *source)
{
    g_autofree char *path = g_build_filename(dir, link, NULL);
    g_autoptr(GMappedFile) a = g_mapped_file_new(path, FALSE, NULL);
    g_autoptr(GMappedFile) b = g_mapped_file_new(source, FALSE, NULL);
    g_autoptr(GBytes) left = g_mapped_file_get_bytes(a);
    g_autoptr(GBytes) right = g_mapped_file_get_bytes(b);

    cr_assert(g_bytes_equal(left, right));
}

Test(boot_store, two_launches_copy_once)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *first = take(dir, "/bin/sh", "a");
    g_autofree char *second = take(dir, "/bin/sh", "b");
    g_autofree char *other = take(dir, "/bin/cat", "c");

    cr_assert_not_null(first);
    cr_assert_str_eq(first, second);
    cr_assert_str_neq(first, other);
    cr_assert_eq(info_of(dir, "a").st_ino, info_of(dir, "b").st_ino);
    cr_assert_eq(info_of(dir, "a").st_mode & 07777, 0444);
    cr_assert_eq(info_of(dir, "store").st_mode & 07777, 0711);
    assert_same_content(dir, "b", "/bin/sh");
    assert_same_content(dir, "c", "/bin/cat");
}

Test(boot_store, launches_at_the_same_time_copy_once)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    pid_t children[4];
    ino_t inode = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            g_autofree char *link = g_strdup_printf("link%zu", i);
            g_autofree char *name = take(dir, "/bin/sh", link);

            _exit(name != NULL ? 0 : 1);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(children); i++) {
        g_autofree char *link = g_strdup_printf("link%zu", i);
        int status = -1;

        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        cr_assert_eq(status, 0);
        inode = i == 0 ? info_of(dir, link).st_ino : inode;
        cr_assert_eq(info_of(dir, link).st_ino, inode);
    }
}

Test(boot_store, what_was_written_just_now_is_not_stored)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *fresh = scratch_dir_write(dir, "kernel", "kernel", 6);

    cr_assert_null(take(dir, fresh, "a"));
    cr_assert_eq(errno, EAGAIN);
}

Test(boot_store, it_holds_few_and_takes_nothing_from_who_has_a_link)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *first = take(dir, programs[0], "link0");
    g_autofree char *stored = g_build_filename(dir, "store", first, NULL);

    for (size_t i = 1; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *link = g_strdup_printf("link%zu", i);
        g_autofree char *name = take(dir, programs[i], link);

        cr_assert_not_null(name);
    }
    cr_assert_neq(access(stored, F_OK), 0);
    assert_same_content(dir, "link0", programs[0]);
}

Test(boot_store, what_a_crash_left_is_in_nobodys_way)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *name = NULL;

    g_free(scratch_dir_write(dir, "store/fresh", "half", 4));
    name = take(dir, "/bin/sh", "a");
    cr_assert_not_null(name);
    assert_same_content(dir, "a", "/bin/sh");
}

Test(boot_store, a_directory_that_others_may_write_is_not_used)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();

    cr_assert_eq(chmod(dir, 0777), 0);
    cr_assert_eq(coco_boot_store_open(dir), -1);
    cr_assert_eq(errno, EPERM);
}

Test(boot_store, an_entry_that_others_may_write_is_made_again)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *name = take(dir, "/bin/sh", "a");
    g_autofree char *stored = g_build_filename(dir, "store", name, NULL);
    g_autofree char *again = NULL;

    cr_assert_eq(chmod(stored, 0666), 0);
    again = take(dir, "/bin/sh", "b");
    cr_assert_str_eq(name, again);
    cr_assert_neq(info_of(dir, "a").st_ino, info_of(dir, "b").st_ino);
    cr_assert_eq(info_of(dir, "b").st_mode & 07777, 0444);
}

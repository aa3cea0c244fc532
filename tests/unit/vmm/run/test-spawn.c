// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/run/spawn.c: exactly the descriptors that were given, or an error that says why not.
 */
#include "vmm/run/spawn.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"

static int
status_of(pid_t pid)
{
    int status = 0;

    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* As many as there can be. The shell has one more while it looks. */
Test(spawn, gives_what_it_is_told)
{
    g_autofree char *count = g_strdup_printf("%d", COCO_SPAWN_FDS_MAX - 1);
    const char *const argv[] = { "/bin/sh", "-c", "set -- /proc/self/fd/*; exit $(($# == $0 + 1))",
                                 count, NULL };
    int fds[COCO_SPAWN_FDS_MAX - 1];
    g_autoptr(GError) error = NULL;
    pid_t pid = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = i < 3 ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert(coco_spawn(argv, fds, G_N_ELEMENTS(fds), COCO_SPAWN_PLAIN, &pid, &error));
    cr_expect(eq(int, status_of(pid), 1));
    for (size_t i = 3; i < G_N_ELEMENTS(fds); i++)
        coco_fd_close(fds[i]);
}

Test(spawn, refuses_more_than_it_can_place)
{
    const char *const argv[] = { "/bin/true", NULL };
    g_autoptr(GError) error = NULL;
    int fds[COCO_SPAWN_FDS_MAX];
    g_autofree char *wanted = g_strdup_printf(
        "start '/bin/true' with %zu descriptors: Too many open files", G_N_ELEMENTS(fds));
    pid_t pid = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = -1;
    cr_assert(not(coco_spawn(argv, fds, G_N_ELEMENTS(fds), COCO_SPAWN_PLAIN, &pid, &error)));
    cr_assert(ne(ptr, error, NULL));
    cr_expect_str_eq(error->message, wanted);
}

Test(spawn, says_why_a_program_does_not_start)
{
    const char *const argv[] = { "/nowhere", NULL };
    g_autoptr(GError) error = NULL;
    pid_t pid = 0;

    cr_assert(not(coco_spawn(argv, NULL, 0, COCO_SPAWN_PLAIN, &pid, &error)));
    cr_expect_str_eq(error->message, "start '/nowhere': No such file or directory");
}

/* A new network namespace has the loopback alone; a path is that one; and what is none is said. */
Test(spawn, in_a_network_namespace)
{
    g_autofree char *own = g_file_read_link("/proc/self/ns/net", NULL);
    const char *same[] = { "/bin/sh", "-c", "test $(readlink /proc/self/ns/net) = \"$0\"", own,
                           NULL };
    g_autoptr(GError) error = NULL;
    pid_t pid = 0;

    if (geteuid() != 0)
        cr_skip_test("only root may");
    cr_assert(
        coco_spawn_in_netns(COCO_SPAWN_NEW_NETNS, same, NULL, 0, COCO_SPAWN_PLAIN, &pid, &error));
    cr_expect(eq(int, status_of(pid), 1));
    cr_assert(
        coco_spawn_in_netns("/proc/self/ns/net", same, NULL, 0, COCO_SPAWN_PLAIN, &pid, &error));
    cr_expect(eq(int, status_of(pid), 0));
    cr_assert(not(coco_spawn_in_netns("/dev/null", same, NULL, 0, COCO_SPAWN_PLAIN, &pid, &error)));
    cr_expect_str_eq(error->message, "start '/bin/sh': Invalid argument");
}

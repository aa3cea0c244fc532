// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's run directory: names that do not collide, removal that stops at nothing of the pod and at
 * everything else.
 */
#include "shim/host/pod-dir.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static CocoPodDir *
make_dir(char **out_base)
{
    *out_base = g_dir_make_tmp("coco-run-XXXXXX", NULL);
    cr_assert(g_setenv("COCO_RUN_DIR", *out_base, TRUE));
    return coco_pod_dir_new("/run/containerd.sock", "default", "pod");
}

Test(pod_dir, names_differ_by_containerd_namespace_and_id)
{
    g_autoptr(CocoPodDir) a = coco_pod_dir_new("/a.sock", "ns", "id");
    g_autoptr(CocoPodDir) same = coco_pod_dir_new("/a.sock", "ns", "id");
    g_autoptr(CocoPodDir) other_daemon = coco_pod_dir_new("/b.sock", "ns", "id");
    g_autoptr(CocoPodDir) other_ns = coco_pod_dir_new("/a.sock", "nsi", "d");
    g_autoptr(CocoPodDir) from_socket = coco_pod_dir_new_for_socket(coco_pod_dir_socket(a));

    cr_expect(eq(str, (char *) coco_pod_dir_path(a), (char *) coco_pod_dir_path(same)));
    cr_expect(eq(str, (char *) coco_pod_dir_path(a), (char *) coco_pod_dir_path(from_socket)));
    cr_expect(ne(str, (char *) coco_pod_dir_path(a), (char *) coco_pod_dir_path(other_daemon)));
    cr_expect(ne(str, (char *) coco_pod_dir_path(a), (char *) coco_pod_dir_path(other_ns)));
    cr_expect(lt(sz, strlen(coco_pod_dir_socket(a)), (size_t) 60),
              "libvirt needs the rest of 108 bytes");
}

Test(pod_dir, make_and_remove)
{
    g_autofree char *base = NULL;
    g_autoptr(CocoPodDir) dir = make_dir(&base);
    g_autofree char *deep = g_build_filename(coco_pod_dir_path(dir), "vm/lib/qemu", NULL);
    g_autofree char *file = g_build_filename(deep, "x", NULL);
    g_autofree char *link = g_build_filename(deep, "link", NULL);
    struct stat info;

    cr_assert(coco_pod_dir_make(dir, NULL));
    cr_assert(eq(int, stat(coco_pod_dir_path(dir), &info), 0));
    cr_expect(eq(uint, info.st_mode & 07777, 0711));
    cr_assert(eq(int, g_mkdir_with_parents(deep, 0700), 0));
    cr_assert(g_file_set_contents(file, "x", 1, NULL));
    cr_assert(eq(int, symlink(base, link), 0));
    cr_assert(coco_pod_dir_remove(dir, NULL));
    cr_expect(ne(int, access(coco_pod_dir_path(dir), F_OK), 0));
    cr_expect(eq(int, access(base, F_OK), 0), "a symbolic link is removed, not followed");
    cr_expect(coco_pod_dir_remove(dir, NULL), "gone already is success");
    (void) g_rmdir(base);
}

Test(pod_dir, foreign_processes_are_left_alone)
{
    g_autofree char *base = NULL;
    g_autoptr(CocoPodDir) dir = make_dir(&base);
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        (void) execl("/bin/sh", "sh", "-c", "read x", coco_pod_dir_path(dir), NULL);
        _exit(1);
    }
    cr_assert(coco_pod_dir_kill_processes(dir, 1000, NULL, NULL));
    cr_expect(eq(int, kill(pid, 0), 0),
              "a program that is not ours must live, whatever its arguments");
    (void) kill(pid, SIGKILL);
    cr_expect(eq(int, waitpid(pid, &status, 0), pid));
    (void) g_rmdir(base);
}

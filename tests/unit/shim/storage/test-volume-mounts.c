// SPDX-License-Identifier: Apache-2.0
/*
 * shim/storage/volume-mounts.c, share.c and mount-tree.c with real mounts, in a mount namespace of
 * the test's own: what the guest sees, what it cannot change, and what removal leaves alone.
 */
#include "shim/storage/volume-mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"
#include "shim/storage/share.h"

#define DATA "c-bd47413b5c03dfc6-data"

static char *base;

static char *
at(const char *name)
{
    return g_build_filename(base, name, NULL);
}

static void
make_dir(const char *name)
{
    g_autofree char *path = at(name);

    cr_assert(eq(int, g_mkdir_with_parents(path, 0755), 0), "%s", path);
}

static bool
can_write(const char *directory)
{
    g_autofree char *path = g_build_filename(base, directory, "written", NULL);
    g_auto(CocoFd) fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    return fd >= 0;
}

static bool
exists(const char *name)
{
    g_autofree char *path = at(name);

    return access(path, F_OK) == 0;
}

static void
setup(void)
{
    g_autofree char *mounts = NULL;
    g_autofree char *shared = NULL;

    if (unshare(CLONE_NEWNS) != 0)
        cr_skip_test("needs root for a mount namespace");
    if (syscall(SYS_open_tree, -1, "", 0) < 0 && errno == ENOSYS)
        cr_skip_test("valgrind knows no open_tree");
    cr_assert(eq(int, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0));
    base = g_dir_make_tmp("coco-volumes-XXXXXX", NULL);
    cr_assert(eq(int, mount("tmpfs", base, "tmpfs", 0, NULL), 0));
    make_dir("source/below");
    make_dir("canary/rootfs");
    mounts = at("mounts");
    shared = at("shared");
    cr_assert(coco_share_prepare(mounts, shared, NULL));
}

static void
teardown(void)
{
    if (base == NULL)
        return;
    (void) umount2(base, MNT_DETACH);
    (void) rmdir(base);
    g_free(base);
}

TestSuite(volume_mounts, .init = setup, .fini = teardown);

static bool
make_bind(const char *source, const char *options, GError **error)
{
    g_autoptr(CocoVolumePlan) plan = coco_volume_plan_new("c");
    g_auto(GStrv) words = g_strsplit(options, ",", -1);
    g_autofree char *path = at(source);
    g_autofree char *mounts = at("mounts");
    g_autofree char *in_guest =
        coco_volume_plan_add_bind(plan, path, "/data", words, g_strv_length(words));

    return coco_volume_mounts_make(plan, mounts, NULL, error);
}

static void
remove_all(void)
{
    g_autofree char *mounts = at("mounts");

    coco_share_remove(mounts, "c");
}

Test(volume_mounts, the_guest_changes_nothing_beside_the_mounts)
{
    cr_assert(make_bind("source", "rbind,rw", NULL));
    cr_expect(not(can_write("shared")));
    cr_expect(eq(int, errno, EROFS));
    cr_expect(can_write("shared/" DATA));
    cr_expect(exists("source/written"));
    remove_all();
    cr_expect(not(exists("shared/" DATA)));
    cr_expect(not(exists("mounts/" DATA)));
    cr_expect(exists("source/written"));
}

static void
mount_below_source(void)
{
    g_autofree char *below = at("source/below");

    cr_assert(eq(int, mount("tmpfs", below, "tmpfs", 0, NULL), 0));
}

Test(volume_mounts, read_only_is_enforced_here)
{
    mount_below_source();
    cr_assert(make_bind("source", "rbind,ro", NULL));
    cr_expect(not(can_write("shared/" DATA)));
    cr_expect(can_write("shared/" DATA "/below"), "as runc: ro is not of what is mounted below");
    cr_expect(can_write("source"), "it is the mount that is read-only");
    remove_all();
    cr_assert(make_bind("source", "rbind,rro", NULL));
    cr_expect(not(can_write("shared/" DATA)));
    cr_expect(not(can_write("shared/" DATA "/below")));
}

/* As virtiofsd: a namespace cloned before the mount is made. */
Test(volume_mounts, appear_in_a_namespace_that_is_there_already)
{
    int go[2];
    pid_t pid;
    int status;

    cr_assert(eq(int, pipe2(go, O_CLOEXEC), 0));
    pid = fork();
    if (pid == 0) {
        char byte;

        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
            _exit(1);
        (void) kill(getpid(), SIGSTOP);
        if (read(go[0], &byte, 1) != 1 || !can_write("shared/" DATA "/below"))
            _exit(2);
        _exit(can_write("shared") ? 3 : 0);
    }
    cr_assert(eq(int, waitpid(pid, &status, WUNTRACED), pid));
    cr_assert(eq(int, WIFSTOPPED(status), 1));
    cr_assert(make_bind("source", "rbind,rw", NULL));
    (void) kill(pid, SIGCONT);
    cr_assert(eq(int, (int) write(go[1], "x", 1), 1));
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    cr_expect(eq(int, status, 0));
    cr_expect(exists("source/below/written"));
}

Test(volume_mounts, failures_say_what_and_leave_nothing_mounted)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) pipe_error = NULL;
    g_autofree char *fifo = at("fifo");

    cr_assert(not(make_bind("not-there", "rbind", &missing)));
    cr_expect(strstr(missing->message, "mount for '/data': bind-mount '") != NULL);
    cr_expect(strstr(missing->message, "/not-there': No such file or directory") != NULL);
    cr_assert(eq(int, mkfifo(fifo, 0600), 0));
    cr_assert(not(make_bind("fifo", "rbind", &pipe_error)));
    cr_expect(strstr(pipe_error->message, "does not work in a VM") != NULL);
    cr_expect(not(exists("mounts/" DATA)));
}

/* What a guest could do as long as it had the directory itself. */
Test(volume_mounts, removal_follows_no_link)
{
    g_autofree char *own = at("mounts/c");
    g_autofree char *volume = at("mounts/" DATA);
    g_autofree char *canary = at("canary");

    cr_assert(eq(int, symlink(canary, own), 0));
    cr_assert(eq(int, symlink(canary, volume), 0));
    remove_all();
    cr_expect(exists("canary/rootfs"));
}

static void
make_root(char **options, Containerd__Types__Mount *const *mounts, size_t n, bool works)
{
    g_autoptr(CocoVolumePlan) plan = coco_volume_plan_new("c");
    g_autofree char *directory = at("mounts");
    g_autoptr(GError) error = NULL;

    mounts[n - 1]->options = options;
    mounts[n - 1]->n_options = g_strv_length(options);
    cr_assert(coco_volume_plan_add_root(plan, mounts, n, NULL, NULL));
    cr_assert(eq(int, coco_volume_mounts_make(plan, directory, NULL, &error), works), "%s",
              error != NULL ? error->message : "it should have failed");
}

/* More than a page of options. */
Test(volume_mounts, a_hundred_layers)
{
    g_autoptr(GString) lower = g_string_new("lowerdir=");
    g_autofree char *upper = g_strdup_printf("upperdir=%s/upper", base);
    g_autofree char *work = g_strdup_printf("workdir=%s/work", base);
    char *options[] = { upper, work, NULL, NULL };
    Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT;
    Containerd__Types__Mount *mounts[] = { &mount };

    make_dir("upper");
    make_dir("work");
    for (unsigned int i = 100; i > 0; i--) {
        g_autofree char *name =
            g_strdup_printf("layers-of-a-snapshotter/snapshots/%u/fs/of%u", i, i);
        g_autofree char *layer = NULL;

        make_dir(name);
        layer = g_path_get_dirname(name);
        g_string_append_printf(lower, "%s%s/%s", i < 100 ? ":" : "", base, layer);
    }
    cr_assert(gt(sz, lower->len, (size_t) 4095));
    options[2] = lower->str;
    mount.type = (char *) "overlay";
    mount.source = (char *) "overlay";
    make_root(options, mounts, 1, true);
    cr_expect(exists("shared/c/rootfs/of1"));
    cr_expect(exists("shared/c/rootfs/of100"));
    cr_expect(can_write("shared/c/rootfs"));
    cr_expect(exists("upper/written"));
    remove_all();
    cr_expect(not(exists("mounts/c")));
}

/* A layer that a guest had as a disk may have links where the overlay wants its directories. */
Test(volume_mounts, a_link_in_a_layer_leads_nowhere)
{
    g_autofree char *canary = at("canary");
    g_autofree char *link_path = at("source/upper");
    g_autofree char *source = at("source");
    char *bind[] = { (char *) "rbind", NULL };
    char *options[] = { (char *) "upperdir={{ mount 0 }}/upper", (char *) "workdir={{ mount 0 }}/w",
                        (char *) "lowerdir=/usr", NULL };
    Containerd__Types__Mount layer = CONTAINERD__TYPES__MOUNT__INIT;
    Containerd__Types__Mount overlay = CONTAINERD__TYPES__MOUNT__INIT;
    Containerd__Types__Mount *mounts[] = { &layer, &overlay };

    make_dir("source/w");
    make_dir("source/plain");
    cr_assert(eq(int, symlink(canary, link_path), 0));
    layer.type = (char *) "bind";
    layer.source = source;
    layer.options = bind;
    layer.n_options = 1;
    overlay.type = (char *) "format/overlay";
    overlay.source = (char *) "overlay";
    make_root(options, mounts, 2, false);
    remove_all();
    cr_expect(not(exists("layers-c")));
    options[0] = (char *) "upperdir={{ mount 0 }}/plain";
    make_root(options, mounts, 2, true);
    remove_all();
}

// SPDX-License-Identifier: Apache-2.0
/*
 * shim/host/pod-cgroup.c: which cgroup a spec means, in both forms, and what is none.
 */
#include "shim/host/pod-cgroup.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/posix/fd.h"

#define POD "/kubepods/burstable/pod1-2"

static const struct {
    const char *cgroups_path;
    bool own;
    const char *wanted; /* NULL: refused */
} containers[] = {
    { "/default/c1", true, "/default/c1" },
    { "default/c1", true, "/default/c1" },
    { "/default/c1", false, "/default/coco_p" },
    { POD "/pause", false, POD "/coco_p" },
    { POD "/crio-pause", false, POD "/coco_p" },
    { "/c1", false, "/coco_p" },
    { "", true, "/coco/coco_p" },
    { "kubepods-burstable-pod1_2.slice:cri-containerd:x", false,
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/coco_p" },
    { "system.slice:nerdctl:x", true, "/system.slice/coco_p" },
    { ":crio:x", false, "/system.slice/coco_p" },
    { "-.slice:a:b", false, "/coco_p" },
    { "a--b.slice:c:x", false, NULL },
    { "-a.slice:c:x", false, NULL },
    { ".slice:c:x", false, NULL },
    { "system.slice:x", false, NULL },
    { "system:a:b", false, NULL },
    { "/a/../../b/c", true, NULL },
    { "/a//b", true, NULL },
    { "/a/./b", false, NULL },
    { "/", true, NULL },
    { "/a\nb", true, NULL },
};

Test(pod_cgroup, of_a_container)
{
    for (size_t i = 0; i < G_N_ELEMENTS(containers); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = coco_pod_cgroup_of_container(containers[i].cgroups_path,
                                                             containers[i].own, "p", &error);

        cr_expect_eq(g_strcmp0(path, containers[i].wanted), 0, "'%s': %s",
                     containers[i].cgroups_path, path != NULL ? path : "refused");
        cr_expect_eq(error != NULL, containers[i].wanted == NULL);
    }
}

static const struct {
    const char *parent;
    const char *wanted;
} sandboxes[] = {
    { POD, POD "/coco_p" }, { POD "/", POD "/coco_p" },
    { "", "/coco/coco_p" }, { "kubepods-pod3.slice", "/kubepods.slice/kubepods-pod3.slice/coco_p" },
    { "../x", NULL },       { "a--b.slice", NULL },
};

Test(pod_cgroup, of_a_sandbox)
{
    for (size_t i = 0; i < G_N_ELEMENTS(sandboxes); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = coco_pod_cgroup_of_sandbox(sandboxes[i].parent, "p", &error);

        cr_expect_eq(g_strcmp0(path, sandboxes[i].wanted), 0, "'%s': %s", sandboxes[i].parent,
                     path != NULL ? path : "refused");
        cr_expect_eq(error != NULL, sandboxes[i].wanted == NULL);
    }
}

static const struct {
    const char *spec; /* NULL: there is none */
    const char *cgroup;
    const char *score;
} bundles[] = {
    { NULL, "/coco/coco_p", "-998" },
    { "{}", "/coco/coco_p", "0" },
    { "{\"process\":{},\"linux\":{\"cgroupsPath\":\"/default/c\"}}", "/default/c", "0" },
    { "{\"process\":{\"oomScoreAdj\":-998},\"linux\":{\"cgroupsPath\":\"/default/c\"}}",
      "/default/c", "-998" },
    { "{\"process\":{\"oomScoreAdj\":99999},\"linux\":{\"cgroupsPath\":7}}", "/coco/coco_p",
      "1000" },
    { "{\"process\":5,\"linux\":[]}", "/coco/coco_p", "0" },
};

Test(pod_cgroup, of_a_bundle)
{
    g_autofree char *bundle = g_dir_make_tmp("coco-bundle-XXXXXX", NULL);
    g_autofree char *spec = g_build_filename(bundle, "config.json", NULL);
    g_autofree char *cgroup = g_build_filename(bundle, "cgroup", NULL);
    g_autofree char *score = g_build_filename(bundle, "oom_score_adj", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(bundles); i++) {
        g_autofree char *path = NULL;
        g_autofree char *number = NULL;

        if (bundles[i].spec != NULL)
            cr_assert(g_file_set_contents(spec, bundles[i].spec, -1, NULL));
        cr_assert(coco_pod_cgroup_save(bundle, true, "p", bundle, NULL), "bundle %zu", i);
        cr_assert(g_file_get_contents(cgroup, &path, NULL, NULL));
        cr_assert(g_file_get_contents(score, &number, NULL, NULL));
        cr_expect_str_eq(path, bundles[i].cgroup, "bundle %zu", i);
        cr_expect_str_eq(number, bundles[i].score, "bundle %zu", i);
    }
    (void) g_unlink(spec);
    (void) g_unlink(cgroup);
    (void) g_unlink(score);
    (void) g_rmdir(bundle);
}

/* A process that looks like the pod's console logger, until input ends (transfer full). */
static pid_t
spawn_like(const char *run_dir, int *out_input)
{
    const char *const argv[] = { "coco-vmm-console", "-c",    "echo; read x",
                                 "--run-dir",        run_dir, NULL };
    int in[2];
    int out[2];
    char byte;
    pid_t pid;

    cr_assert(eq(int, pipe2(in, O_CLOEXEC), 0));
    cr_assert(eq(int, pipe2(out, O_CLOEXEC), 0));
    pid = fork();
    if (pid == 0) {
        (void) dup2(in[0], 0);
        (void) dup2(out[1], 1);
        (void) execv("/bin/sh", (char *const *) argv);
        _exit(127);
    }
    cr_assert(eq(int, (int) read(out[0], &byte, 1), 1));
    coco_fd_close(in[0]);
    coco_fd_close(out[0]);
    coco_fd_close(out[1]);
    *out_input = in[1];
    return pid;
}

static int
score_in(const char *path)
{
    g_autofree char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    return (int) g_ascii_strtoll(text, NULL, 10);
}

/* Above 0 anybody may set it, lower again too; whether the kernel lets us go below is not ours. */
Test(pod_cgroup, score_of_more_containers)
{
    static const struct {
        int64_t asked;
        int saved;
    } steps[] = { { 700, 700 }, { 900, 700 }, { 600, 600 }, { 5000, 600 }, { -5000, -1000 } };
    g_autofree char *run_dir = g_dir_make_tmp("coco-score-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(run_dir, "oom_score_adj", NULL);
    g_autofree char *process_file = NULL;
    g_auto(CocoFd) input = -1;
    pid_t pid = spawn_like(run_dir, &input);

    process_file = g_strdup_printf("/proc/%d/oom_score_adj", pid);
    coco_pod_cgroup_note_score(run_dir, 5, true);
    cr_expect(ne(int, access(file, F_OK), 0), "a pod that has none gets none");
    cr_assert(g_file_set_contents(file, "-998", -1, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        coco_pod_cgroup_note_score(run_dir, steps[i].asked, i == 0);
        cr_expect(eq(int, score_in(file), steps[i].saved), "step %zu", i);
        if (i < G_N_ELEMENTS(steps) - 1)
            cr_expect(eq(int, score_in(process_file), steps[i].saved), "step %zu", i);
    }
    coco_fd_clear(&input);
    (void) waitpid(pid, NULL, 0);
    (void) g_unlink(file);
    (void) g_rmdir(run_dir);
}

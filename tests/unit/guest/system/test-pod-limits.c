// SPDX-License-Identifier: Apache-2.0
/*
 * What is left to the pod, from directories that look like /proc and a cgroup.
 */
#include "guest/system/pod-limits.h"

#include <string.h>

#include <criterion/criterion.h>

#include "guest/system/directory-tree.h"

typedef struct {
    char *root;
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_directory_tree_remove(rig->root);
    g_free(rig->root);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
put(const Rig *rig, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(rig->root, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);

    cr_assert_eq(g_mkdir_with_parents(parent, 0755), 0);
    cr_assert(g_file_set_contents(path, text, -1, NULL));
}

static uint64_t
get(const Rig *rig, const char *name)
{
    g_autofree char *path = g_build_filename(rig->root, name, NULL);
    g_autofree char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoull(text, NULL, 10);
}

static Rig
rig_new(unsigned int total_mib, unsigned int available_mib)
{
    Rig rig = { g_dir_make_tmp("coco-limits-XXXXXX", NULL) };
    g_autofree char *info =
        g_strdup_printf("MemTotal:  %u kB\nMemFree:  1 kB\nMemAvailable:  %u kB\n",
                        total_mib * 1024, available_mib * 1024);

    put(&rig, "meminfo", info);
    put(&rig, "sys/kernel/pid_max", "32768\n");
    put(&rig, "sys/kernel/threads-max", "1800\n");
    put(&rig, "memory.max", "");
    put(&rig, "pids.max", "");
    return rig;
}

Test(pod_limits, something_is_kept_back)
{
    g_auto(Rig) small = rig_new(256, 200);
    g_auto(Rig) large = rig_new(8192, 8000);

    cr_assert(coco_pod_limits_set(small.root, small.root, NULL));
    cr_assert_eq(get(&small, "memory.max"), UINT64_C(192) << 20);
    cr_assert_eq(get(&small, "pids.max"), 1800 - 64);
    cr_assert(coco_pod_limits_set(large.root, large.root, NULL));
    cr_assert_eq(get(&large, "memory.max"), UINT64_C(7936) << 20);
}

Test(pod_limits, a_guest_without_numbers_has_no_limits)
{
    g_auto(Rig) rig = rig_new(0, 0);

    put(&rig, "sys/kernel/threads-max", "");
    cr_assert(coco_pod_limits_set(rig.root, rig.root, NULL));
    cr_assert_eq(get(&rig, "memory.max"), 0);
    cr_assert_eq(get(&rig, "pids.max"), 0);
}

Test(pod_limits, what_is_plugged_in_is_the_pods)
{
    g_auto(Rig) rig = rig_new(512, 400);

    cr_assert(coco_pod_limits_set(rig.root, rig.root, NULL));
    coco_pod_limits_grow(rig.root, rig.root, UINT64_C(512) << 20);
    cr_assert_eq(get(&rig, "memory.max"), UINT64_C(384) << 20);
    coco_pod_limits_grow(rig.root, rig.root, UINT64_C(256) << 20);
    cr_assert_eq(get(&rig, "memory.max"), UINT64_C(640) << 20);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * shim/storage/volume-plan.c: OCI mounts to steps. Nothing here is looked at, so no path exists.
 */
#include "shim/storage/volume-plan.h"

#include <string.h>
#include <sys/mount.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define HOSTS_OWN (MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID)

static void
check_options(const char *text, bool recursive, uint64_t own, uint64_t below)
{
    g_autoptr(CocoVolumePlan) plan = coco_volume_plan_new("c");
    g_auto(GStrv) options = g_strsplit(text, ",", -1);
    g_autofree char *path =
        coco_volume_plan_add_bind(plan, "/src", "/data", options, g_strv_length(options));
    const CocoVolumeStep *step = coco_volume_plan_step(plan, 0);

    cr_expect(eq(int, step->recursive, recursive), "%s", text);
    cr_expect(eq(u64, step->attributes, own), "%s", text);
    cr_expect(eq(u64, step->recursive_attributes, below | HOSTS_OWN), "%s", text);
}

Test(volume_plan, read_only_is_the_hosts_and_not_of_what_is_mounted_below)
{
    check_options("rbind,rw", true, 0, 0);
    check_options("bind,ro", false, MOUNT_ATTR_RDONLY, 0);
    check_options("rbind,ro", true, MOUNT_ATTR_RDONLY, 0);
    check_options("rbind,rro", true, 0, MOUNT_ATTR_RDONLY);
    check_options("rbind,ro,rw", true, 0, 0);
    check_options("rbind,rro,rrw", true, 0, 0);
    check_options("rbind,suid,dev,exec,rprivate", true, 0, 0);
}

Test(volume_plan, names)
{
    g_autoptr(CocoVolumePlan) plan = coco_volume_plan_new("c");
    g_autofree char *long_name = g_strnfill(300, 'n');
    g_autofree char *destination = g_strconcat("/d/", long_name, NULL);
    g_autofree char *data = coco_volume_plan_add_bind(plan, "/s", "/data", NULL, 0);
    g_autofree char *root = coco_volume_plan_add_bind(plan, "/s", "/", NULL, 0);
    g_autofree char *cut = coco_volume_plan_add_bind(plan, "/s", destination, NULL, 0);
    g_autofree char *other = coco_volume_plan_add_bind(plan, "/s", "/other/data", NULL, 0);

    cr_expect(eq(str, data, "/run/kata-containers/shared/containers/c-bd47413b5c03dfc6-data"));
    cr_expect(g_str_has_suffix(root, "-root"));
    cr_expect(lt(sz, strlen(strrchr(cut, '/')), (size_t) 130));
    cr_expect(ne(str, data, other));
    cr_expect(eq(str, coco_volume_plan_step(plan, 0)->place, strrchr(data, '/') + 1));
    cr_expect(eq(str, coco_volume_plan_step(plan, 0)->what, "mount for '/data'"));
}

Test(volume_plan, root_from_mounts_or_a_directory)
{
    g_autoptr(CocoVolumePlan) plan = coco_volume_plan_new("c");
    Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT;
    Containerd__Types__Mount *mounts[] = { &mount };

    cr_assert(coco_volume_plan_add_root(plan, mounts, 1, "/bundle/rootfs", NULL));
    cr_assert(coco_volume_plan_add_root(plan, NULL, 0, "/bundle/rootfs", NULL));
    cr_expect(eq(int, coco_volume_plan_step(plan, 0)->kind, COCO_VOLUME_ROOT_MOUNTS));
    cr_expect(eq(sz, coco_volume_plan_step(plan, 0)->n_mounts, (size_t) 1));
    cr_expect(eq(int, coco_volume_plan_step(plan, 1)->kind, COCO_VOLUME_BIND));
    cr_expect(eq(str, coco_volume_plan_step(plan, 1)->source, "/bundle/rootfs"));
    cr_expect(eq(str, coco_volume_plan_step(plan, 1)->place, "c/rootfs"));
    cr_expect(eq(u64, coco_volume_plan_step(plan, 1)->attributes, (uint64_t) 0));
}

Test(volume_plan, a_target_inside_the_root_is_refused)
{
    g_autoptr(CocoVolumePlan) plan = coco_volume_plan_new("c");
    Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT;
    Containerd__Types__Mount *mounts[] = { &mount };
    g_autoptr(GError) error = NULL;

    mount.source = (char *) "/s";
    mount.target = (char *) "/etc";
    cr_assert(not(coco_volume_plan_add_root(plan, mounts, 1, "/r", &error)));
    cr_expect(strstr(error->message, "mount '/s' on '/etc'") != NULL);
    cr_expect(eq(sz, coco_volume_plan_length(plan), (size_t) 0));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Which network namespace a bundle or a sandbox names, and that `delete` finds it again.
 */
#include "shim/network/pod-netns.h"

#include <string.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

typedef struct {
    char *base;
    CocoPodDir *dir;
} Rig;

static Rig
make_rig(void)
{
    Rig rig = { .base = g_dir_make_tmp("coco-netns-XXXXXX", NULL) };

    cr_assert_not_null(rig.base);
    (void) g_setenv("COCO_RUN_DIR", rig.base, TRUE);
    rig.dir = coco_pod_dir_new("/c.sock", "ns", "pod");
    cr_assert(coco_pod_dir_make(rig.dir, NULL));
    return rig;
}

static void
end(Rig *rig)
{
    (void) coco_pod_dir_remove(rig->dir, NULL);
    coco_pod_dir_free(rig->dir);
    (void) g_rmdir(rig->base);
    g_free(rig->base);
}

static void
expect(const Rig *rig, CocoNetnsKind kind, const char *path)
{
    g_autofree char *found = NULL;

    cr_expect_eq(coco_pod_netns_load(rig->dir, &found), kind);
    cr_expect_str_eq(found, path);
}

static void
save_bundle(const Rig *rig, const char *spec)
{
    g_autofree char *file = g_build_filename(rig->base, "config.json", NULL);

    cr_assert(g_file_set_contents(file, spec, -1, NULL));
    cr_assert(coco_pod_netns_save(rig->base, rig->dir, NULL));
    (void) g_unlink(file);
}

Test(pod_netns, of_bundles)
{
    Rig rig = make_rig();

    expect(&rig, COCO_NETNS_NEW, "");
    cr_assert(coco_pod_netns_save(rig.base, rig.dir, NULL), "a bundle without a spec");
    expect(&rig, COCO_NETNS_NEW, "");
    save_bundle(&rig, "{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\","
                      "\"path\":\"/run/netns/a\"}]}}");
    expect(&rig, COCO_NETNS_PATH, "/run/netns/a");
    save_bundle(&rig, "{\"linux\":{\"namespaces\":[{\"type\":\"network\"}]}}");
    expect(&rig, COCO_NETNS_NEW, "");
    save_bundle(&rig, "{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/x\"},7]}}");
    expect(&rig, COCO_NETNS_HOST, "");
    end(&rig);
}

Test(pod_netns, of_sandboxes)
{
    Rig rig = make_rig();

    cr_assert(coco_pod_netns_save_path("/run/netns/b", rig.dir, NULL));
    expect(&rig, COCO_NETNS_PATH, "/run/netns/b");
    cr_assert(coco_pod_netns_save_path("", rig.dir, NULL));
    expect(&rig, COCO_NETNS_HOST, "");
    end(&rig);
}

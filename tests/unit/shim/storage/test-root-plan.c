// SPDX-License-Identifier: Apache-2.0
/*
 * shim/storage/root-plan.c and shim/storage/mount-template.c: the mounts of each snapshotter, and
 * what no snapshotter gives.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/storage/mount-template.h"
#include "shim/storage/root-plan.h"

#define UPPER "workdir={{ mount 0 }}/work", "upperdir={{ mount 0 }}/upper"
#define MKDIR                                                                                      \
    "X-containerd.mkdir.path={{ mount 0 }}/upper:0755",                                            \
        "X-containerd.mkdir.path={{ mount 0 }}/work:0755"
#define MOUNTS_MAX 8
#define OPTIONS_MAX 8

typedef struct {
    const char *type;
    const char *source; /* NULL: a file that is there */
    const char *options[OPTIONS_MAX];
} Row;

static char *file;

static void
setup(void)
{
    file = g_strdup("/tmp/coco-root-plan-XXXXXX");
    cr_assert_geq(mkstemp(file), 0);
}

static void
teardown(void)
{
    (void) unlink(file);
    g_free(file);
}

TestSuite(root_plan, .init = setup, .fini = teardown);

static bool
make(const Row *rows, CocoRootPlan *plan, GError **error)
{
    Containerd__Types__Mount mounts[MOUNTS_MAX];
    Containerd__Types__Mount *list[MOUNTS_MAX];
    size_t n = 0;

    for (; rows[n].type != NULL; n++) {
        containerd__types__mount__init(&mounts[n]);
        mounts[n].type = (char *) rows[n].type;
        mounts[n].source = (char *) (rows[n].source != NULL ? rows[n].source : file);
        mounts[n].options = (char **) (void *) rows[n].options;
        mounts[n].n_options = g_strv_length(mounts[n].options);
        list[n] = &mounts[n];
    }
    return coco_root_plan_make(list, n, plan, error);
}

static void
check_form(const Row *rows, CocoRootForm form, size_t n_disks, const char *why)
{
    g_auto(CocoRootPlan) plan = { 0 };
    g_autoptr(GError) error = NULL;

    cr_assert(make(rows, &plan, &error), "%s", error != NULL ? error->message : "");
    cr_assert_eq(plan.form, form, "%s", plan.why_shared);
    cr_assert_eq(plan.n_disks, n_disks);
    cr_assert_eq(plan.why_shared == NULL, why == NULL, "%s", plan.why_shared);
    if (why != NULL)
        cr_assert_not_null(strstr(plan.why_shared, why), "%s", plan.why_shared);
}

Test(root_plan, directories)
{
    check_form((Row[]){ { NULL } }, COCO_ROOT_SHARED, 0, NULL);
    check_form((Row[]){ { "bind", "/x", { "rbind", "rw" } }, { NULL } }, COCO_ROOT_SHARED, 0, NULL);
    check_form((Row[]){ { "overlay", "overlay", { "lowerdir=/a:/b" } }, { NULL } },
               COCO_ROOT_SHARED, 0, NULL);
}

Test(root_plan, one_disk)
{
    g_auto(CocoRootPlan) plan = { 0 };
    char *const places[] = { (char *) "08" };
    Grpc__Storage **storages;

    cr_assert(
        make((Row[]){ { "ext4", NULL, { "loop", "discard", "rw" } }, { NULL } }, &plan, NULL));
    cr_assert_eq(plan.form, COCO_ROOT_DISK);
    cr_assert_str_eq(plan.disks[0].path, file);
    cr_assert_not(plan.disks[0].readonly);
    storages = coco_root_plan_storages(&plan, places, "/run/kata-containers/c/rootfs");
    cr_assert_str_eq(storages[0]->driver, "blk");
    cr_assert_str_eq(storages[0]->source, "08");
    cr_assert_str_eq(storages[0]->fstype, "ext4");
    cr_assert_str_eq(storages[0]->mount_point, "/run/kata-containers/c/rootfs");
    cr_assert_eq(storages[0]->n_options, 2);
    cr_assert_str_eq(storages[0]->options[0], "rw");
    cr_assert_str_eq(storages[0]->options[1], "discard");
    coco_root_storages_free(storages, plan.n_disks);
    /* Where there is no PCI. */
    storages = coco_root_plan_storages(&plan, (char *const[]){ (char *) "0.0.1000" }, "/r");
    cr_assert_str_eq(storages[0]->driver, "blk-ccw");
    coco_root_storages_free(storages, plan.n_disks);
}

Test(root_plan, read_only)
{
    g_auto(CocoRootPlan) view = { 0 };
    g_auto(CocoRootPlan) layer = { 0 };

    cr_assert(make((Row[]){ { "ext4", NULL, { "ro" } }, { NULL } }, &view, NULL));
    cr_assert(view.disks[0].readonly);
    cr_assert(make((Row[]){ { "erofs", NULL, { "loop" } }, { NULL } }, &layer, NULL));
    cr_assert(layer.disks[0].readonly);
}

Test(root_plan, layers)
{
    static const Row rows[] = {
        { "ext4", NULL, { "rw", "loop" } },
        { "erofs", NULL, { "ro", "loop" } },
        { "erofs", NULL, { "ro", "loop" } },
        { "format/mkdir/overlay", "overlay", { MKDIR, UPPER, "lowerdir={{ overlay 1 2 }}" } },
        { NULL }
    };
    g_auto(CocoRootPlan) plan = { 0 };
    char *const places[] = { (char *) "08", (char *) "09", (char *) "0a" };
    Grpc__Storage **storages;

    check_form(rows, COCO_ROOT_LAYERS, 3, NULL);
    cr_assert(make(rows, &plan, NULL));
    storages = coco_root_plan_storages(&plan, places, "/r");
    cr_assert_str_eq(storages[0]->options[1], "X-kata.multi-layer=true");
    cr_assert_str_eq(storages[0]->options[2], "X-kata.overlay-upper");
    cr_assert_str_eq(storages[2]->options[2], "X-kata.overlay-lower");
    cr_assert_str_eq(storages[2]->source, "0a");
    coco_root_storages_free(storages, plan.n_disks);
}

Test(root_plan, one_layer_below)
{
    check_form((Row[]){ { "ext4", NULL, { "rw" } },
                        { "erofs", NULL, { "ro" } },
                        { "format/mkdir/overlay", "overlay", { UPPER, "lowerdir={{ mount 1 }}" } },
                        { NULL } },
               COCO_ROOT_LAYERS, 2, NULL);
}

/* Mounted on the host, and why. */
Test(root_plan, disks_that_are_shared)
{
    static const struct {
        Row rows[MOUNTS_MAX];
        const char *why;
    } all[] = {
        { { { "xfs", NULL, { "nouuid" } } }, "a guest does not mount 'xfs'" },
        { { { "erofs", NULL, { "ro", "device=/x" } } }, "has option 'device=/x'" },
        { { { "erofs", NULL, { "X-containerd.dmverity=/x" } } }, "X-containerd.dmverity=/x" },
        { { { "erofs", NULL, { "rw" } } }, "an erofs to write to" },
        { { { "erofs", NULL, { "ro" } },
            { "format/mkdir/overlay",
              "overlay",
              { "workdir=/w", "upperdir=/u", "lowerdir={{ mount 0 }}" } } },
          "written to a directory of the host" },
        { { { "ext4", NULL, { "rw" } },
            { "erofs", NULL, { "ro" } },
            { "format/mkdir/overlay",
              "overlay",
              { UPPER, "lowerdir={{ mount 1 }}", "index=off" } } },
          "the overlay has option 'index=off'" },
        { { { "ext4", NULL, { "rw" } },
            { "erofs", NULL, { "ro" } },
            { "format/mkdir/overlay", "overlay", { UPPER, "lowerdir={{ mount 1 }}:/etc" } } },
          "lower layers are not the disks" },
        { { { "ext4", NULL, { "ro" } },
            { "erofs", NULL, { "ro" } },
            { "format/mkdir/overlay", "overlay", { UPPER, "lowerdir={{ mount 1 }}" } } },
          "no writable ext4" },
        { { { "ext4", NULL, { "rw" } },
            { "ext4", NULL, { "ro" } },
            { "format/mkdir/overlay", "overlay", { UPPER, "lowerdir={{ mount 1 }}" } } },
          "is no erofs" },
        { { { "ext4", NULL, { "rw" } },
            { "format/mkdir/overlay", "overlay", { UPPER, "lowerdir=" } } },
          "lower layers are not the disks" },
        { { { "ext4", NULL, { "rw" } },
            { "format/mkdir/bind", "{{ mount 0 }}/upper", { "rbind" } } },
          "the root is a bind of several mounts" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        check_form(all[i].rows, COCO_ROOT_SHARED, 0, all[i].why);
}

Test(root_plan, refusals)
{
    static const struct {
        Row rows[MOUNTS_MAX];
        const char *message;
    } all[] = {
        { { { "mkfs/ext4", "/x", { "loop" } } },
          "mount mkfs/ext4 '/x': the file system is not made" },
        { { { "ext4", NULL, { "rw" } },
            { "format/mkdir/overlay", "overlay", { UPPER, "lowerdir={{ mount 1 }}" } } },
          "mount template ' mount 1 ': there is no such mount before this one" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        g_auto(CocoRootPlan) plan = { 0 };
        g_autoptr(GError) error = NULL;

        cr_assert_not(make(all[i].rows, &plan, &error), "row %zu", i);
        cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
        cr_assert_str_eq(error->message, all[i].message);
    }
}

Test(mount_template, forms)
{
    static const char *const points[] = { "/a", "/b", "/c" };
    static const struct {
        const char *text;
        const char *result; /* NULL: refused */
    } rows[] = {
        { "", "" },
        { "plain }} text", "plain }} text" },
        { "{{ mount 1 }}/upper", "/b/upper" },
        { "{{mount 0}}{{ mount  2 }}", "/a/c" },
        { "lowerdir={{ overlay 0 2 }}", "lowerdir=/a:/b:/c" },
        { "{{ overlay 2 0 }}", "/c:/b:/a" },
        { "{{ overlay 1 1 }}", "/b" },
        { "{{ mount 3 }}", NULL },
        { "{{ overlay 0 3 }}", NULL },
        { "{{ mount -1 }}", NULL },
        { "{{ mount }}", NULL },
        { "{{ mount 1 1 }}", NULL },
        { "{{ overlay 1 }}", NULL },
        { "{{ overlay 0 1 2 }}", NULL },
        { "{{ source 0 }}", NULL },
        { "{{}}", NULL },
        { "{{ mount 0", NULL },
        { "{{ mount 18446744073709551616 }}", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *result =
            coco_mount_template_expand(rows[i].text, points, G_N_ELEMENTS(points), &error);

        cr_assert_eq(result == NULL, error != NULL);
        cr_assert_eq(g_strcmp0(result, rows[i].result), 0, "'%s' gives '%s'", rows[i].text, result);
    }
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Which annotations are kept for the launcher, and what a later container of the pod may say.
 */
#include "shim/vm/pod-annotations.h"

#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"

#define KEY "io.katacontainers.config.hypervisor."

typedef struct {
    char *base;
    CocoPodDir *dir;
} Fixture;

static void
fixture_init(Fixture *fixture)
{
    fixture->base = g_dir_make_tmp("coco-run-XXXXXX", NULL);
    cr_assert(g_setenv("COCO_RUN_DIR", fixture->base, TRUE));
    fixture->dir = coco_pod_dir_new("/run/containerd.sock", "default", "pod");
    cr_assert(coco_pod_dir_make(fixture->dir, NULL));
}

static void
fixture_clear(Fixture *fixture)
{
    g_autofree char *config = g_build_filename(fixture->base, "config.json", NULL);

    (void) g_unlink(config);
    cr_expect(coco_pod_dir_remove(fixture->dir, NULL));
    coco_pod_dir_free(fixture->dir);
    (void) g_rmdir(fixture->base);
    g_free(fixture->base);
}

static void
expect_saved(const Fixture *fixture, const char *expected)
{
    const char *file = coco_pod_annotations_file(fixture->dir);
    g_autofree char *text = NULL;

    if (file != NULL)
        cr_assert(g_file_get_contents(file, &text, NULL, NULL));
    cr_expect(g_strcmp0(text, expected) == 0, "%s", text);
}

Test(pod_annotations, those_of_the_vm_are_kept)
{
    g_autoptr(CocoPodAnnotations) all = coco_pod_annotations_new();
    g_autoptr(CocoPodAnnotations) none = coco_pod_annotations_new();
    Fixture fixture;

    fixture_init(&fixture);
    coco_pod_annotations_add("io.kubernetes.cri.sandbox-id", "x", none);
    coco_pod_annotations_add(KEY "cc_init_data", "x", none);
    coco_pod_annotations_add("io.katacontainers.config.runtime.name", "x", none);
    coco_pod_annotations_add("io.katacontainers.pkg.oci.bundle_path", "x", none);
    cr_assert(coco_pod_annotations_save(none, fixture.dir, NULL));
    expect_saved(&fixture, NULL);
    coco_pod_annotations_add(KEY "kernel_params", "a \"b\"", all);
    coco_pod_annotations_add(KEY "default_vcpus", "1", all);
    coco_pod_annotations_add(KEY "default_vcpus", "2", all);
    coco_pod_annotations_add("io.katacontainers.config.agent.policy", "x", all);
    cr_assert(coco_pod_annotations_save(all, fixture.dir, NULL));
    expect_saved(&fixture, "{ \"io.katacontainers.config.agent.policy\": \"x\", \"" KEY
                           "default_vcpus\": \"2\", \"" KEY "kernel_params\": \"a \\\"b\\\"\" }");
    fixture_clear(&fixture);
}

Test(pod_annotations, a_bundles)
{
    Fixture fixture;
    g_autofree char *config = NULL;
    g_autoptr(GError) error = NULL;

    fixture_init(&fixture);
    config = g_build_filename(fixture.base, "config.json", NULL);
    cr_assert(coco_pod_annotations_save_bundle(fixture.base, fixture.dir, NULL)); /* a sandbox's */
    expect_saved(&fixture, NULL);
    cr_assert(g_file_set_contents(
        config, "{\"annotations\": {\"" KEY "default_vcpus\": \"2\", \"a\": \"b\"}}", -1, NULL));
    cr_assert(coco_pod_annotations_save_bundle(fixture.base, fixture.dir, NULL));
    expect_saved(&fixture, "{ \"" KEY "default_vcpus\": \"2\" }");
    cr_assert(g_file_set_contents(config, "no JSON", -1, NULL));
    cr_assert_not(coco_pod_annotations_save_bundle(fixture.base, fixture.dir, &error));
    fixture_clear(&fixture);
}

static bool
check_one(const Fixture *fixture, const char *key, const char *value, GError **error)
{
    g_autoptr(CocoPodAnnotations) one = coco_pod_annotations_new();

    coco_pod_annotations_add(key, value, one);
    return coco_pod_annotations_check(one, fixture->dir, error);
}

Test(pod_annotations, a_later_container_repeats_them)
{
    static const struct {
        const char *key, *value;
        bool good;
    } rows[] = {
        { KEY "default_vcpus", "2", true },
        { "other", "3", true },
        { KEY "default_vcpus", "3", false },
        { KEY "default_memory", "2", false },
    };
    g_autoptr(CocoPodAnnotations) all = coco_pod_annotations_new();
    g_autoptr(GError) unsaved = NULL;
    Fixture fixture;

    fixture_init(&fixture);
    cr_assert_not(check_one(&fixture, KEY "default_vcpus", "2", &unsaved));
    coco_pod_annotations_add(KEY "default_vcpus", "2", all);
    cr_assert(coco_pod_annotations_save(all, fixture.dir, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        cr_expect_eq(check_one(&fixture, rows[i].key, rows[i].value, &error), rows[i].good,
                     "row %zu", i);
        cr_expect(rows[i].good ||
                  (g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT) &&
                   strstr(error->message, rows[i].key) != NULL));
    }
    fixture_clear(&fixture);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The initdata annotation on its way from the bundle to the run directory, and what later
 * containers of the pod may bring.
 */
#include "shim/vm/pod-initdata.h"

#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    char *base;
    char *config;
    CocoPodDir *dir;
} Fixture;

static void
fixture_init(Fixture *fixture, const char *spec)
{
    fixture->base = g_dir_make_tmp("coco-run-XXXXXX", NULL);
    fixture->config = g_build_filename(fixture->base, "config.json", NULL);
    cr_assert(g_setenv("COCO_RUN_DIR", fixture->base, TRUE));
    fixture->dir = coco_pod_dir_new("/run/containerd.sock", "default", "pod");
    cr_assert(coco_pod_dir_make(fixture->dir, NULL));
    if (spec != NULL)
        cr_assert(g_file_set_contents(fixture->config, spec, -1, NULL));
}

static void
fixture_clear(Fixture *fixture)
{
    cr_assert(coco_pod_dir_remove(fixture->dir, NULL));
    (void) g_unlink(fixture->config);
    cr_assert(eq(int, g_rmdir(fixture->base), 0));
    coco_pod_dir_free(fixture->dir);
    g_free(fixture->config);
    g_free(fixture->base);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

static void
expect_saved(const char *annotations, const char *value)
{
    g_autofree char *spec = g_strdup_printf("{\"annotations\": %s}", annotations);
    g_auto(Fixture) fixture = { 0 };
    g_autofree char *saved = NULL;
    g_autoptr(GError) error = NULL;
    struct stat info;

    fixture_init(&fixture, spec);
    cr_assert(coco_pod_initdata_save(fixture.base, fixture.dir, &error));
    if (value == NULL) {
        cr_assert(eq(ptr, (void *) coco_pod_initdata_file(fixture.dir), NULL));
        return;
    }
    cr_assert(ne(ptr, (void *) coco_pod_initdata_file(fixture.dir), NULL));
    cr_assert(g_file_get_contents(coco_pod_initdata_file(fixture.dir), &saved, NULL, NULL));
    cr_expect(eq(str, saved, (char *) value));
    cr_assert(eq(int, stat(coco_pod_initdata_file(fixture.dir), &info), 0));
    cr_expect(eq(uint, info.st_mode & 07777, 0600));
}

Test(pod_initdata, either_name_is_saved_and_the_newer_one_wins)
{
    expect_saved("{\"io.katacontainers.config.hypervisor.cc_init_data\": \"QQ==\"}", "QQ==");
    expect_saved("{\"io.katacontainers.config.runtime.cc_init_data\": \"QQ==\"}", "QQ==");
    expect_saved("{\"io.katacontainers.config.runtime.cc_init_data\": \"old\","
                 "\"io.katacontainers.config.hypervisor.cc_init_data\": \"new\"}",
                 "new");
    expect_saved("{\"io.katacontainers.config.hypervisor.cc_init_data\": \"\"}", "");
}

Test(pod_initdata, other_annotations_are_none)
{
    expect_saved("{\"io.katacontainers.config.hypervisor.kernel\": \"x\"}", NULL);
    expect_saved("{\"io.katacontainers.config.hypervisor.cc_init_data\": 1}", NULL);
    expect_saved("[]", NULL);
    expect_saved("null", NULL);
}

Test(pod_initdata, no_spec_is_no_initdata_and_a_broken_one_an_error)
{
    g_auto(Fixture) fixture = { 0 };
    g_autoptr(GError) error = NULL;

    fixture_init(&fixture, NULL);
    cr_assert(coco_pod_initdata_save(fixture.base, fixture.dir, &error));
    cr_assert(g_file_set_contents(fixture.config, "{", -1, NULL));
    cr_assert(not(coco_pod_initdata_save(fixture.base, fixture.dir, &error)));
    cr_expect(ne(ptr, error, NULL));
}

static void
expect_check(const Fixture *fixture, const char *value, const char *message)
{
    g_autoptr(GError) error = NULL;
    bool good = coco_pod_initdata_check(fixture->dir, value, &error);

    cr_assert(eq(int, good, message == NULL));
    if (message == NULL)
        return;
    cr_expect(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
    cr_expect(eq(str, error->message, (char *) message));
}

Test(pod_initdata, a_later_container_may_only_repeat_it)
{
    static const char *const without =
        "annotation 'io.katacontainers.config.hypervisor.cc_init_data': the pod was started "
        "without initdata, and a pod's VM has one initdata for its whole life";
    static const char *const other =
        "annotation 'io.katacontainers.config.hypervisor.cc_init_data': the pod was started with "
        "another value, and a pod's VM has one initdata for its whole life";
    g_auto(Fixture) fixture = { 0 };

    fixture_init(&fixture,
                 "{\"annotations\": {\"io.katacontainers.config.hypervisor.cc_init_data\": "
                 "\"QQ==\"}}");
    expect_check(&fixture, NULL, NULL);
    expect_check(&fixture, "QQ==", without);
    cr_assert(coco_pod_initdata_save(fixture.base, fixture.dir, NULL));
    expect_check(&fixture, NULL, NULL);
    expect_check(&fixture, "QQ==", NULL);
    expect_check(&fixture, "QQ=", other);
    expect_check(&fixture, "", other);
}

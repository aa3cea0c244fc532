// SPDX-License-Identifier: Apache-2.0
/*
 * What a program's name and an annotation require, and what a later container of the pod may say.
 */
#include "shim/vm/pod-tee.h"

#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/proto/ttrpc-error.h"

static void
expect_name(const char *program, const char *word, const char *tee)
{
    g_autofree char *found_word = coco_pod_tee_word(program);
    g_autofree char *found_tee = coco_pod_tee_of_program(program);

    cr_expect(g_strcmp0(found_word, word) == 0, "%s: word %s", program, found_word);
    cr_expect(g_strcmp0(found_tee, tee) == 0, "%s: tee %s", program, found_tee);
}

Test(pod_tee, the_name_of_the_program_requires_one)
{
    expect_name("/usr/bin/containerd-shim-coco-snp-v2", "snp", "snp");
    expect_name("containerd-shim-coco-sev-v2", "sev", "sev");
    expect_name("containerd-shim-coco-sev-es-v2", "sev-es", "sev-es");
    expect_name("containerd-shim-coco-sev-es-big-v2", "sev-es-big", "sev-es");
    expect_name("containerd-shim-coco-snp-large-v2", "snp-large", "snp");
    expect_name("containerd-shim-coco-none-v2", "none", "none");
    expect_name("containerd-shim-coco-snpx-v2", "snpx", "snpx");
    expect_name("containerd-shim-coco-v2", NULL, NULL);
    expect_name("containerd-shim-coco--v2", NULL, NULL);
    expect_name("/proc/self/exe", NULL, NULL);
}

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
expect_saved(const char *spec, const char *value)
{
    g_auto(Fixture) fixture = { 0 };
    g_autofree char *saved = NULL;

    fixture_init(&fixture, spec);
    cr_assert(coco_pod_tee_save(fixture.base, fixture.dir, NULL));
    cr_assert(coco_pod_tee_load(fixture.dir, &saved, NULL));
    cr_expect(g_strcmp0(saved, value) == 0, "%s: %s", spec, saved);
}

Test(pod_tee, the_annotation_is_saved)
{
    expect_saved("{\"annotations\": {\"io.coco-runtime.tee\": \"snp\"}}", "snp");
    expect_saved("{\"annotations\": {\"io.coco-runtime.te\": \"snp\"}}", NULL);
    expect_saved(NULL, NULL);
}

static void
expect_refused(bool good, const GError *error, const char *message)
{
    cr_assert(not(good));
    cr_expect(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
    cr_expect(eq(str, error->message, (char *) message));
}

Test(pod_tee, what_is_no_word_is_refused)
{
    static const char *const values[] = {
        "", "SNP", "snp ", "--share", "snp\n", "abcdefghijklmnopq"
    };
    g_auto(Fixture) fixture = { 0 };

    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GError) error = NULL;
        bool good = coco_pod_tee_save_value(values[i], fixture.dir, &error);

        expect_refused(good, error,
                       "annotation 'io.coco-runtime.tee': the value is not the name of a TEE");
    }
}

static void
expect_check_fails(const Fixture *fixture, const char *value, const char *message)
{
    g_autoptr(GError) error = NULL;
    bool good = coco_pod_tee_check(fixture->dir, value, &error);

    expect_refused(good, error, message);
}

Test(pod_tee, a_later_container_may_only_repeat_it)
{
    g_auto(Fixture) fixture = { 0 };

    fixture_init(&fixture, NULL);
    cr_assert(coco_pod_tee_check(fixture.dir, NULL, NULL));
    expect_check_fails(&fixture, "snp",
                       "annotation 'io.coco-runtime.tee': the pod was started without it, and a "
                       "pod's VM has one TEE for its whole life");
    cr_assert(coco_pod_tee_save_value("snp", fixture.dir, NULL));
    cr_assert(coco_pod_tee_check(fixture.dir, NULL, NULL));
    cr_assert(coco_pod_tee_check(fixture.dir, "snp", NULL));
    expect_check_fails(&fixture, "none",
                       "annotation 'io.coco-runtime.tee': the pod was started with another value, "
                       "and a pod's VM has one TEE for its whole life");
}

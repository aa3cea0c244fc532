// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/launch/launch-measure.c: what is measured is what was opened, beside the start and in time.
 */
#include <string.h>
#include <sys/wait.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"
#include "vmm/domain/domain-xml.h"
#include "vmm/launch/launch-measure.h"
#include "vmm/launch/measure-cache.h"
#include "vmm/tee/tee-config.h"

/* A plan with its files in dir, opened. */
static void
make_plan_with(CocoLaunchPlan *plan, const char *dir, const char *tee, const char *more,
               const char *firmware, size_t len)
{
    g_autofree char *text = g_strdup_printf("[vm]\ntee=%s\n[guest]\nkernel=%s/k\ninitrd=%s/i\n"
                                            "firmware=%s/f\n[host]\nboot_files=shared\n%s",
                                            tee, dir, dir, dir, more);
    g_autoptr(GError) error = NULL;

    g_free(scratch_dir_write(dir, "k", "kernel", 6));
    g_free(scratch_dir_write(dir, "i", "initrd", 6));
    g_free(scratch_dir_write(dir, "f", firmware, len));
    plan->config = coco_tee_config_parse("t.conf", text, strlen(text), NULL, &error);
    cr_assert_not_null(plan->config, "%s", error != NULL ? error->message : "");
    coco_domain_spec_init(&plan->spec, plan->config, COCO_ACCEL_KVM, COCO_TRANSPORT_VSOCK);
    plan->boot = coco_boot_files_new(plan->config, NULL);
    cr_assert(coco_boot_files_open(plan->boot, "/proc/nonexistent", NULL, NULL));
}

/* The firmware has no metadata. */
static void
make_plan(CocoLaunchPlan *plan, const char *dir, const char *tee, const char *more)
{
    make_plan_with(plan, dir, tee, more, "firmware", 8);
}

static json_object *
measure(const CocoLaunchPlan *plan, GError **error)
{
    g_auto(CocoLaunchMeasure) child = COCO_LAUNCH_MEASURE_INIT;
    json_object *values = NULL;

    cr_assert(coco_launch_measure_start(&child, plan, "/proc/nonexistent", error));
    (void) coco_launch_measure_finish(&child, g_get_monotonic_time() + 20 * G_USEC_PER_SEC, &values,
                                      error);
    return values;
}

Test(launch_measure, without_a_tee_nothing_is_measured)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_auto(CocoLaunchPlan) plan = { 0 };
    g_autoptr(GError) error = NULL;

    make_plan(&plan, dir, "none", "");
    cr_assert_null(measure(&plan, &error));
    cr_assert_null(error);
}

/* Plain SEV without kernel hashes is the sha256 of the firmware. */
Test(launch_measure, the_file_that_was_opened_counts_and_not_its_name)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_auto(CocoLaunchPlan) plan = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(json_object) values = NULL;
    g_autofree char *expected = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "firmware", 8);

    make_plan(&plan, dir, "sev", "[sev]\nkernel_hashes=no\n[debug]\ninsecure_kernel=true\n");
    g_free(scratch_dir_write(dir, "f", "replaced", 8));
    values = measure(&plan, &error);
    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    cr_assert_str_eq(coco_json_string(values, "launch_digest"), expected);
    cr_assert_not(coco_boot_files_check(plan.boot, NULL));
}

Test(launch_measure, what_cannot_be_measured_names_the_file)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_auto(CocoLaunchPlan) plan = { 0 };
    g_autoptr(GError) error = NULL;

    make_plan(&plan, dir, "snp", "");
    cr_assert_null(measure(&plan, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert(g_str_has_prefix(error->message, "measure: "), "%s", error->message);
    cr_assert_null(strstr(error->message, "/proc/self"), "%s", error->message);
}

/* The host could boot another kernel, and attestation would not show it. */
Test(launch_measure, a_firmware_that_does_not_check_the_kernel_is_refused)
{
    /* A page with a table of GUIDs that has a place for the hashes, and no code at all. */
    static const char entries[] =
        "\0\0\x80\0\0\4\0\0"
        "\x1a\0\x1f\x37\x55\x72\x3b\x3a\x04\x4b\x92\x7b\x1d\xa6\xef\xa8\xd4\x54"
        "\x2c\0\xde\x82\xb5\x96\xb2\x1f\xf7\x45\xba\xea\xa3\x66\xc5\x5a\x08\x2d";
    char page[4096] = { 0 };
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_auto(CocoLaunchPlan) plan = { 0 };
    g_auto(CocoLaunchPlan) reckless = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(json_object) values = NULL;

    memcpy(page + sizeof page - 32 - (sizeof entries - 1), entries, sizeof entries - 1);
    make_plan_with(&plan, dir, "sev", "", page, sizeof page);
    cr_assert_null(measure(&plan, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    cr_assert_not_null(strstr(error->message, "does not compare them"), "%s", error->message);
    cr_assert_not_null(strstr(error->message, "[debug] insecure_firmware = true"));
    g_clear_error(&error);
    make_plan_with(&reckless, dir, "sev", "[debug]\ninsecure_firmware=true\n", page, sizeof page);
    values = measure(&reckless, &error);
    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    cr_assert_not_null(coco_json_string(values, "launch_digest"));
}

Test(launch_measure, a_deadline_ends_it)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_auto(CocoLaunchPlan) plan = { 0 };
    g_auto(CocoLaunchMeasure) child = COCO_LAUNCH_MEASURE_INIT;
    g_autoptr(GError) error = NULL;
    json_object *values = NULL;
    int ends[2];

    make_plan(&plan, dir, "sev", "");
    /* A child that never answers: a pipe that nobody writes to. */
    cr_assert_eq(pipe(ends), 0);
    child.fd = ends[0];
    cr_assert_not(coco_launch_measure_finish(&child, g_get_monotonic_time(), &values, &error));
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_TIMEOUT));
}

/* Files that nobody has written lately, which the store takes. */
static void
make_stored_plan(CocoLaunchPlan *plan, const char *dir, const char *name, const char *cmdline)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *text =
        g_strdup_printf("[vm]\ntee=sev\n[guest]\nkernel=/bin/sh\ninitrd=%s\nfirmware=/bin/cat\n"
                        "cmdline=%s\n[sev]\nkernel_hashes=no\n[debug]\ninsecure_kernel=true\n",
                        self, cmdline);
    g_autofree char *copies = g_build_filename(dir, name, NULL);
    g_autofree char *store = g_build_filename(dir, "store", NULL);

    plan->config = coco_tee_config_parse("t.conf", text, strlen(text), NULL, NULL);
    coco_domain_spec_init(&plan->spec, plan->config, COCO_ACCEL_KVM, COCO_TRANSPORT_VSOCK);
    plan->boot = coco_boot_files_new(plan->config, NULL);
    cr_assert(coco_boot_files_open(plan->boot, copies, store, NULL));
}

/* (transfer full) */
static json_object *
measure_with(const CocoLaunchPlan *plan, const char *dir, bool *out_computed)
{
    g_autofree char *store = g_build_filename(dir, "store", NULL);
    g_auto(CocoLaunchMeasure) measure = COCO_LAUNCH_MEASURE_INIT;
    g_autoptr(GError) error = NULL;
    json_object *values = NULL;

    cr_assert(coco_launch_measure_start(&measure, plan, store, &error));
    *out_computed = measure.pidfd >= 0;
    cr_assert(coco_launch_measure_finish(&measure, g_get_monotonic_time() + 20 * G_USEC_PER_SEC,
                                         &values, &error));
    return values;
}

Test(launch_measure, the_second_launch_of_the_same_computes_nothing)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_auto(CocoLaunchPlan) first = { 0 };
    g_auto(CocoLaunchPlan) second = { 0 };
    g_auto(CocoLaunchPlan) other = { 0 };
    g_autoptr(json_object) values = NULL;
    g_autoptr(json_object) again = NULL;
    g_autoptr(json_object) more = NULL;
    bool computed = false;

    make_stored_plan(&first, dir, "a", "quiet");
    values = measure_with(&first, dir, &computed);
    cr_assert(computed);
    make_stored_plan(&second, dir, "b", "quiet");
    second.spec.share = g_strdup("/another");
    again = measure_with(&second, dir, &computed);
    cr_assert_not(computed);
    cr_assert(json_object_equal(values, again));
    make_stored_plan(&other, dir, "c", "verbose");
    more = measure_with(&other, dir, &computed);
    cr_assert(computed, "another command line is another VM");
}

Test(launch_measure, nothing_is_known_of_what_is_not_stored)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_auto(CocoLaunchPlan) plan = { 0 };

    make_plan(&plan, dir, "sev", "");
    cr_assert_null(coco_measure_cache_key(&plan));
}

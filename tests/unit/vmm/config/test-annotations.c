// SPDX-License-Identifier: Apache-2.0
/* vmm/config/annotations.c: what a pod says of its VM, and what it may say. */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/annotations.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/tee-config.h"

#define KEY "io.katacontainers.config.hypervisor."
#define ALLOW                                                                                      \
    "default_vcpus=1-8; default_vcpus=16;default_memory = 256-4096 ;kernel_params=quiet; "         \
    "kernel_params=loglevel=?; kernel=/usr/lib/coco/*; enable_hugepages=true; "                    \
    "enable_mem_prealloc=*; machine_type=q35;"

static CocoVmConfig *
config_of(const char *allow)
{
    g_autofree char *text =
        g_strdup_printf("[vm]\ntee=none\n[guest]\ncmdline=a\n[annotations]\nallow=%s\n", allow);
    g_autoptr(GError) error = NULL;
    CocoVmConfig *config = coco_tee_config_parse("test.conf", text, strlen(text), NULL, &error);

    cr_assert_not_null(config, "%s", error != NULL ? error->message : "");
    return config;
}

Test(annotations, set_keys)
{
    static const struct {
        const char *name, *value;
        CocoKey key;
        const char *expected;
    } rows[] = {
        { "default_vcpus", "2", COCO_KEY_VM_VCPUS, "2" },
        { "default_vcpus", "1.5", COCO_KEY_VM_VCPUS, "2" },
        { "default_vcpus", "16", COCO_KEY_VM_VCPUS, "16" },
        { "default_memory", "4096", COCO_KEY_VM_MEMORY_MIB, "4096" },
        { "kernel_params", " quiet  loglevel=7", COCO_KEY_GUEST_CMDLINE, "a  quiet  loglevel=7" },
        { "kernel", "/usr/lib/coco/vmlinuz", COCO_KEY_GUEST_KERNEL, "/usr/lib/coco/vmlinuz" },
        { "machine_type", "q35", COCO_KEY_VM_MACHINE, "q35" },
        { "enable_hugepages", "true", COCO_KEY_MEMORY_HUGEPAGES, "2M" },
        { "enable_mem_prealloc", "false", COCO_KEY_MEMORY_PREALLOC, "no" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text =
            g_strdup_printf("{\"" KEY "%s\": \"%s\"}", rows[i].name, rows[i].value);
        g_autoptr(CocoVmConfig) config = config_of(ALLOW);
        g_autoptr(GError) error = NULL;

        cr_assert(coco_vm_annotations_apply(config, text, &error), "row %zu: %s", i,
                  error != NULL ? error->message : "");
        cr_expect_str_eq(coco_vm_config_string(config, rows[i].key), rows[i].expected, "row %zu",
                         i);
        cr_expect(coco_vm_config_is_set(config, rows[i].key));
    }
}

Test(annotations, what_is_refused)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "", "not a JSON object" },
        { "[1]", "not a JSON object" },
        { "{\"" KEY "default_vcpus\": 2}", "it is not a text" },
        { "{\"" KEY "default_vcpus\": \"9\"}", "let annotation '" KEY "default_vcpus' be '9'" },
        { "{\"" KEY "default_vcpus\": \"0\"}", "be '0'" },
        { "{\"" KEY "default_vcpus\": \"-1\"}", "be '-1'" },
        { "{\"" KEY "default_vcpus\": \"nan\"}", "be 'nan'" },
        { "{\"" KEY "default_vcpus\": \"1e9\"}", "be '1e9'" },
        { "{\"" KEY "default_memory\": \"1e3\"}", "be '1e3'" },
        { "{\"" KEY "kernel_params\": \"quiet init=/bin/sh\"}", "be 'init=/bin/sh'" },
        { "{\"" KEY "kernel_params\": \"loglevel=\\\"\"}", "be 'loglevel=\"'" },
        { "{\"" KEY "kernel_params\": \"quiet\\nloglevel=1\"}", "control characters" },
        { "{\"" KEY "kernel\": \"/usr/lib/coco/../x\"}", "be '/usr/lib/coco/../x'" },
        { "{\"" KEY "kernel\": \"/usr/lib/coco/a/b\"}", "be '/usr/lib/coco/a/b'" },
        { "{\"" KEY "kernel\": \"/usr/lib/coco/.hidden\"}", "be '/usr/lib/coco/.hidden'" },
        { "{\"" KEY "kernel\": \"/usr/lib/coco//a\"}", "be '/usr/lib/coco//a'" },
        { "{\"" KEY "enable_mem_prealloc\": \"maybe\"}", "'maybe' is not true or false" },
        { "{\"" KEY "firmware\": \"/x\"}", "does not let a pod have annotation '" KEY "firmware'" },
        { "{\"" KEY "no_such\": \"1\"}", "annotation '" KEY "no_such': coco-runtime has nothing" },
        { "{\"io.katacontainers.config.agent.policy\": \"1\"}", "coco-runtime has nothing" },
        { "{\"a\\nb\": \"1\"}", "name has control characters" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(ALLOW);
        g_autoptr(GError) error = NULL;

        cr_assert_not(coco_vm_annotations_apply(config, rows[i].text, &error), "row %zu", i);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_expect_not_null(strstr(error->message, rows[i].message), "row %zu: %s", i,
                           error->message);
        cr_expect_null(strchr(error->message, '\n'), "row %zu", i);
    }
}

Test(annotations, none_are_allowed_by_default)
{
    g_autoptr(CocoVmConfig) config = config_of("");

    cr_assert_not(coco_vm_annotations_apply(config, "{\"" KEY "default_vcpus\": \"1\"}", NULL));
    cr_assert(coco_vm_annotations_apply(config, "{}", NULL));
}

Test(annotations, allow_is_checked_at_load)
{
    static const struct {
        const char *allow, *message;
    } rows[] = {
        { "no_such=1", "there is no annotation 'no_such'" },
        { "default_vcpus", "default_vcpus: it takes the values that are allowed" },
        { "kernel=", "kernel: it takes the values that are allowed, as in kernel=PATTERN" },
        { "default_vcpus=8-1", "default_vcpus: '8-1' is not LOW-HIGH" },
        { "default_memory=a", "'a' is not LOW-HIGH" },
        { "=1", "there is no annotation ''" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text =
            g_strdup_printf("[vm]\ntee=none\n[annotations]\nallow=%s\n", rows[i].allow);
        g_autoptr(GError) error = NULL;

        cr_assert_null(coco_tee_config_parse("test.conf", text, strlen(text), NULL, &error),
                       "row %zu", i);
        cr_expect_not_null(strstr(error->message, "config 'test.conf' line 4: [annotations] allow"),
                           "row %zu: %s", i, error->message);
        cr_expect_not_null(strstr(error->message, rows[i].message), "row %zu: %s", i,
                           error->message);
    }
}

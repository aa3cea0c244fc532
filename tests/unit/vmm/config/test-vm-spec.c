// SPDX-License-Identifier: Apache-2.0
/*
 * A spec that was saved is the spec that is read, and a broken one is none.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vm-spec.h"
#include "vmm/config/vmm-error.h"
#include "vmm/domain/domain-xml.h"
#include "vmm/tee/tee-config.h"

static CocoVmConfig *
config_of(const char *text)
{
    return coco_tee_config_parse("t.conf", text, strlen(text), NULL, NULL);
}

static char *
saved(const CocoVmConfig *config)
{
    g_auto(CocoVmSpec) spec = { 0 };

    coco_domain_spec_init(&spec, config, COCO_ACCEL_TCG, COCO_TRANSPORT_CHANNEL);
    spec.vcpus = 3; /* what a pod asked for, and not what the config says */
    g_free(spec.cmdline);
    spec.cmdline = g_strdup("a=\"b\" ü");
    spec.hotplug = true;
    spec.share = g_strdup("/run/share");
    coco_vm_disks_add(&spec.disks, "/a/disk", true);
    coco_vm_nics_add(&spec.nics, "02:00:00:00:00:01", 9000, 3, false);
    return coco_vm_spec_to_json(&spec);
}

Test(vm_spec, what_was_saved_is_read)
{
    g_autoptr(CocoVmConfig) config =
        config_of("[vm]\ntee=snp\nvcpus=2\nmemory_mib=512\n[host]\nlaunch_timeout_s=7\n");
    g_autofree char *text = saved(config);
    g_auto(CocoVmSpec) spec = { 0 };
    g_autoptr(CocoVmConfig) again = NULL;
    g_autofree char *text_again = NULL;
    g_autoptr(GError) error = NULL;

    cr_assert(coco_vm_spec_parse("/s", text, &spec, &again, &error), "%s",
              error != NULL ? error->message : "");
    cr_assert_eq(spec.config, again);
    cr_assert_eq(spec.accel, COCO_ACCEL_TCG);
    cr_assert_eq(spec.transport, COCO_TRANSPORT_CHANNEL);
    cr_assert_eq(spec.vcpus, 3);
    cr_assert_eq(spec.memory_mib, 512);
    cr_assert_str_eq(spec.cmdline, "a=\"b\" ü");
    cr_assert_str_eq(spec.share, "/run/share");
    cr_assert(spec.hotplug);
    cr_assert_eq(spec.disks.n, 1);
    cr_assert_str_eq(spec.disks.items[0].path, "/a/disk");
    cr_assert(spec.disks.items[0].readonly);
    cr_assert_eq(spec.nics.n, 1);
    cr_assert_str_eq(spec.nics.items[0].mac, "02:00:00:00:00:01");
    cr_assert_eq(spec.nics.items[0].mtu, 9000);
    cr_assert_eq(spec.nics.items[0].queues, 3);
    cr_assert_eq(coco_vm_config_choice(again, COCO_KEY_VM_TEE), COCO_TEE_SNP);
    cr_assert_eq(coco_vm_config_number(again, COCO_KEY_HOST_LAUNCH_TIMEOUT_S), 7);
    /* The TEE's default, which no file said. */
    cr_assert_str_eq(coco_vm_config_string(again, COCO_KEY_VM_CPU), "EPYC-v4");
    cr_assert(coco_vm_config_is_set(again, COCO_KEY_VM_VCPUS));
    cr_assert_not(coco_vm_config_is_set(again, COCO_KEY_SNP_ID_BLOCK));
    text_again = coco_vm_spec_to_json(&spec);
    cr_assert_str_eq(text_again, text);
}

/* One that a version before this one saved, of a VM that still runs. */
Test(vm_spec, what_came_later_may_be_missing)
{
    g_autoptr(CocoVmConfig) config = config_of("[vm]\ntee=none\n");
    g_autofree char *text = saved(config);
    g_autoptr(GString) old = g_string_new(text);
    g_auto(CocoVmSpec) spec = { 0 };
    g_autoptr(CocoVmConfig) again = NULL;

    cr_assert_eq(g_string_replace(old, "\"device\":false", "\"x\":0", 0), 1);
    cr_assert_eq(g_string_replace(old, "\"nics\":", "\"y\":", 0), 1);
    cr_assert(coco_vm_spec_parse("/s", old->str, &spec, &again, NULL));
    cr_assert_eq(spec.disks.n, 1);
    cr_assert_eq(spec.nics.n, 0);
}

static void
expect_bad(const char *text, const char *message)
{
    CocoVmSpec spec = { 0 };
    CocoVmConfig *config = NULL;
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_vm_spec_parse("/s", text, &spec, &config, &error));
    cr_assert(g_str_has_prefix(error->message, "read VM spec '/s': "), "%s", error->message);
    cr_assert_not_null(strstr(error->message, message), "%s", error->message);
    cr_assert_null(config);
}

Test(vm_spec, a_broken_one_is_none)
{
    static const struct {
        const char *from;
        const char *to;
        const char *message;
    } rows[] = {
        { "\"accel\":\"tcg\"", "\"accel\":\"auto\"", "accel: not one of kvm, tcg" },
        { "\"accel\":\"tcg\"", "\"accel\":7", "accel: not one of kvm, tcg" },
        { "\"transport\"", "\"transpor\"", "transport: not one of vsock, channel" },
        { "\"vcpus\":3", "\"vcpus\":-3", "vcpus: not a number from 1 to 2147483647" },
        { "\"vcpus\":3", "\"vcpus\":\"3\"", "vcpus: not a number from 1 to 2147483647" },
        { "\"readonly\":true", "\"readonly\":1", "disks[0].readonly: not true or false" },
        { "\"path\":\"/a/disk\"", "\"path\":\"/a\\u0000\"", "disks[0].path: not a text" },
        { "\"queues\":3", "\"queues\":9", "nics[0].queues: not a number from 1 to 8" },
        { "\"user\":false", "\"user\":true", "nics[0].queues: not a number from 0 to 0" },
        { "\"mac\":\"02:", "\"mac\":\"03:", "nics[0].mac: not that of one interface" },
        { "\"hotplug\":true", "\"hotplug\":\"yes\"", "hotplug: not true or false" },
        { "\"disks\":[", "\"disks\":7,\"x\":[", "disks: not a list of at most 128" },
        { "\"config\":{", "\"confi\":{", "config: not an object" },
        { "\"vm.tee\":\"none\"", "\"vm.tee\":\"no\"", "vm.tee: 'no' is not one of" },
        { "\"vm.tee\":\"none\"", "\"vm.te\":\"none\"", "vm.tee: it has no default and is missing" },
        { "{", "[", "not one JSON document" },
    };
    g_autoptr(CocoVmConfig) config = config_of("[vm]\ntee=none\n");
    g_autofree char *text = saved(config);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) broken = g_string_new(text);

        cr_assert_eq(g_string_replace(broken, rows[i].from, rows[i].to, 1), 1, "%s", rows[i].from);
        expect_bad(broken->str, rows[i].message);
    }
    expect_bad("", "not one JSON document");
    expect_bad("{} {}", "not one JSON document");
    expect_bad("[]", "config_name: not a text");
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The rules are the guest's: whatever a host sends, all is forbidden first.
 */
#include "guest/container/spec-devices.h"

#include <string.h>

#include <criterion/criterion.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest/container/spec.h"

#define DENY "{\"allow\":false,\"access\":\"rwm\"}"
#define ALLOW "{\"allow\":true,\"access\":\"rwm\"}"
#define DISK "{\"allow\":true,\"type\":\"b\",\"major\":254,\"minor\":0,\"access\":\"rw\"}"
#define COUNT_OF_DEFAULTS 12 /* with the first, which denies */

static Grpc__Spec *
adapted(const char *linux_part)
{
    g_autofree char *json =
        g_strdup_printf("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
                        "\"root\":{\"path\":\"/run/kata-containers/c/rootfs\"},\"linux\":{%s}}",
                        linux_part);
    Grpc__Spec *spec = coco_oci_spec_from_json(json, strlen(json), NULL);
    CocoSpecSetting setting = { .base = "/run/kata-containers", .cgroup_path = "/pod/ctr-c" };

    cr_assert_not_null(spec, "%s", json);
    cr_assert(coco_spec_adapt(spec, &setting, NULL));
    return spec;
}

/* As the kernel would have it: the last rule that fits. */
static bool
may(const Grpc__Spec *spec, const char *type, int64_t major, int64_t minor, char access)
{
    const Grpc__LinuxResources *resources = spec->linux->resources;

    for (size_t i = resources->n_devices; i > 0; i--) {
        const Grpc__LinuxDeviceCgroup *rule = resources->devices[i - 1];

        if ((strcmp(rule->type, "a") == 0 || strcmp(rule->type, type) == 0) &&
            (rule->major == -1 || rule->major == major) &&
            (rule->minor == -1 || rule->minor == minor) && strchr(rule->access, access) != NULL)
            return rule->allow;
    }
    return true;
}

Test(spec_devices, without_a_word_of_the_host_only_the_usual_ones)
{
    static const char *const parts[] = {
        "\"cgroupsPath\":\"/x\"",
        "\"resources\":{\"pids\":{\"limit\":5}}",
        "\"resources\":{\"devices\":[" DENY "]}",
        "\"resources\":{\"devices\":[" DENY "," DISK "]}",
        "\"resources\":{\"devices\":[" ALLOW "," DENY "]}",
        "\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"a\",\"access\":\"rw\"}]}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(Grpc__Spec) spec = adapted(parts[i]);

        cr_assert_eq(spec->linux->resources->n_devices, COUNT_OF_DEFAULTS, "%s", parts[i]);
        cr_assert_not(may(spec, "b", 254, 0, 'r'), "%s", parts[i]);
        cr_assert_not(may(spec, "c", 10, 125, 'w'), "%s", parts[i]);
        cr_assert(may(spec, "b", 254, 0, 'm'));
        cr_assert(may(spec, "c", 1, 3, 'w'));
        cr_assert(may(spec, "c", 136, 7, 'r'));
    }
}

Test(spec_devices, those_of_the_spec_are_added)
{
    g_autoptr(Grpc__Spec) spec =
        adapted("\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229},"
                "{\"path\":\"/dev/d\",\"type\":\"b\",\"major\":254,\"minor\":16},"
                "{\"path\":\"/dev/p\",\"type\":\"p\"},"
                "{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":-1,\"minor\":-1}]");

    cr_assert_eq(spec->linux->resources->n_devices, COUNT_OF_DEFAULTS + 2);
    cr_assert(may(spec, "c", 10, 229, 'w'));
    cr_assert(may(spec, "b", 254, 16, 'r'));
    cr_assert_not(may(spec, "b", 254, 0, 'r'));
    cr_assert_not(may(spec, "c", 254, 16, 'r'));
}

Test(spec_devices, all_for_a_privileged_one)
{
    g_autoptr(Grpc__Spec) spec = adapted("\"resources\":{\"devices\":[" DENY "," ALLOW "]}");

    cr_assert_eq(spec->linux->resources->n_devices, 1);
    cr_assert(may(spec, "b", 254, 0, 'r'));
}

Test(spec_devices, an_update_changes_none)
{
    g_autoptr(Grpc__Spec) spec = adapted("\"resources\":{\"devices\":[" ALLOW "]}");

    coco_spec_adapt_resources(spec->linux->resources);
    cr_assert_eq(spec->linux->resources->n_devices, 0);
}

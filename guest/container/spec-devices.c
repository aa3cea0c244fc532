// SPDX-License-Identifier: Apache-2.0
/*
 * Which devices a container may open, make or name. The kernel's answer for a container without
 * rules is "all", and mknod is a default capability: so the rules are never left to the host.
 */
#include "guest/container/spec-devices.h"

#include <string.h>

#define ALL (-1)

typedef struct {
    const char *type;
    int64_t major;
    int64_t minor;
    const char *access;
} Rule;

/* What runc and Kata's agent give every container. A node may be made of anything, opening it is
 * another matter. */
/* clang-format off */
static const Rule defaults[] = {
    { "c", ALL, ALL, "m" },
    { "b", ALL, ALL, "m" },
    { "c", 1, 3, "rwm" },   /* null */
    { "c", 1, 5, "rwm" },   /* zero */
    { "c", 1, 7, "rwm" },   /* full */
    { "c", 1, 8, "rwm" },   /* random */
    { "c", 1, 9, "rwm" },   /* urandom */
    { "c", 5, 0, "rwm" },   /* tty */
    { "c", 5, 1, "rwm" },   /* console */
    { "c", 5, 2, "rwm" },   /* ptmx */
    { "c", 136, ALL, "rwm" }, /* pts */
};
/* clang-format on */

static void
add_rule(GPtrArray *rules, bool allow, const Rule *rule)
{
    Grpc__LinuxDeviceCgroup *added = g_new(Grpc__LinuxDeviceCgroup, 1);

    grpc__linux_device_cgroup__init(added);
    added->allow = allow;
    added->type = g_strdup(rule->type);
    added->major = rule->major;
    added->minor = rule->minor;
    added->access = g_strdup(rule->access);
    g_ptr_array_add(rules, added);
}

static bool
is_for_all(const Grpc__LinuxDeviceCgroup *rule)
{
    return (*rule->type == '\0' || strcmp(rule->type, "a") == 0) && rule->major <= 0 &&
           rule->minor <= 0 && strchr(rule->access, 'r') != NULL &&
           strchr(rule->access, 'w') != NULL && strchr(rule->access, 'm') != NULL;
}

/* The last word of a host's rules about all devices at once. */
static bool
allows_all(const Grpc__LinuxResources *resources)
{
    for (size_t i = resources->n_devices; i > 0; i--) {
        if (is_for_all(resources->devices[i - 1]))
            return resources->devices[i - 1]->allow;
    }
    return false;
}

void
coco_spec_drop_device_rules(Grpc__LinuxResources *resources)
{
    for (size_t i = 0; i < resources->n_devices; i++)
        grpc__linux_device_cgroup__free_unpacked(resources->devices[i], NULL);
    g_clear_pointer(&resources->devices, g_free);
    resources->n_devices = 0;
}

void
coco_spec_set_device_rules(Grpc__Linux *container)
{
    static const Rule all = { "a", ALL, ALL, "rwm" };
    GPtrArray *rules = g_ptr_array_new();
    bool privileged;

    if (container->resources == NULL) {
        container->resources = g_new(Grpc__LinuxResources, 1);
        grpc__linux_resources__init(container->resources);
    }
    privileged = allows_all(container->resources);
    coco_spec_drop_device_rules(container->resources);
    add_rule(rules, privileged, &all);
    for (size_t i = 0; !privileged && i < G_N_ELEMENTS(defaults); i++)
        add_rule(rules, true, &defaults[i]);
    for (size_t i = 0; !privileged && i < container->n_devices; i++) {
        const Grpc__LinuxDevice *device = container->devices[i];
        /* "u" is a character device without buffer, "p" a fifo, which nobody guards. */
        const Rule rule = { *device->type == 'b' ? "b" : "c", device->major, device->minor, "rwm" };

        if (*device->type != 'p' && device->major >= 0 && device->minor >= 0)
            add_rule(rules, true, &rule);
    }
    container->resources->n_devices = rules->len;
    container->resources->devices = (Grpc__LinuxDeviceCgroup **) g_ptr_array_free(rules, FALSE);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Copies, and the line (launch-needs.h).
 */
#include "shim/vm/launch-needs.h"

#include <json-c/json.h>

CocoLaunchNeeds *
coco_launch_needs_copy(const CocoLaunchNeeds *needs)
{
    CocoLaunchNeeds *copy = g_new(CocoLaunchNeeds, 1);
    CocoLaunchDisk *disks = g_new0(CocoLaunchDisk, needs->n_disks + 1);

    for (size_t i = 0; i < needs->n_disks; i++)
        disks[i] = (CocoLaunchDisk){ .path = g_strdup(needs->disks[i].path),
                                     .readonly = needs->disks[i].readonly };
    *copy = *needs;
    copy->disks = disks;
    copy->netns = g_strdup(needs->netns);
    copy->nics = NULL;
    copy->n_nics = 0;
    return copy;
}

void
coco_launch_needs_free(CocoLaunchNeeds *copy)
{
    if (copy == NULL)
        return;
    for (size_t i = 0; i < copy->n_disks; i++)
        g_free((char *) copy->disks[i].path);
    g_free((CocoLaunchDisk *) copy->disks);
    g_free((char *) copy->netns);
    g_free(copy);
}

static struct json_object *
disks_of(const CocoLaunchNeeds *needs)
{
    struct json_object *disks = json_object_new_array();

    for (size_t i = 0; i < needs->n_disks; i++) {
        struct json_object *disk = json_object_new_object();

        (void) json_object_object_add(disk, "path", json_object_new_string(needs->disks[i].path));
        (void) json_object_object_add(disk, "readonly",
                                      json_object_new_boolean(needs->disks[i].readonly));
        (void) json_object_array_add(disks, disk);
    }
    return disks;
}

static struct json_object *
nics_of(const CocoLaunchNeeds *needs)
{
    struct json_object *nics = json_object_new_array();

    for (size_t i = 0; i < needs->n_nics; i++) {
        const CocoLaunchNic *nic = &needs->nics[i];
        struct json_object *object = json_object_new_object();

        (void) json_object_object_add(object, "mac", json_object_new_string(nic->mac));
        (void) json_object_object_add(object, "mtu", json_object_new_int64(nic->mtu));
        (void) json_object_object_add(object, "queues", json_object_new_int64(nic->n_taps));
        (void) json_object_object_add(object, "user", json_object_new_boolean(nic->n_taps == 0));
        (void) json_object_array_add(nics, object);
    }
    return nics;
}

char *
coco_launch_needs_line(const CocoLaunchNeeds *needs)
{
    struct json_object *line = json_object_new_object();
    char *text;

    (void) json_object_object_add(line, "share", json_object_new_boolean(needs->share));
    (void) json_object_object_add(line, "hotplug", json_object_new_boolean(needs->hotplug));
    (void) json_object_object_add(line, "vcpus", json_object_new_int64(needs->size.vcpus));
    (void) json_object_object_add(line, "memory_mib",
                                  json_object_new_int64(needs->size.memory_mib));
    if (needs->netns != NULL)
        (void) json_object_object_add(line, "netns", json_object_new_string(needs->netns));
    (void) json_object_object_add(line, "disks", disks_of(needs));
    (void) json_object_object_add(line, "nics", nics_of(needs));
    text = g_strconcat(json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN), "\n", NULL);
    (void) json_object_put(line);
    return text;
}

GArray *
coco_launch_needs_descriptors(const CocoLaunchNeeds *needs)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));

    for (size_t i = 0; i < needs->n_nics; i++)
        g_array_append_vals(fds, needs->nics[i].taps, needs->nics[i].n_taps);
    return fds;
}

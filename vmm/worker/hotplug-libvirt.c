// SPDX-License-Identifier: Apache-2.0
/*
 * QMP for devices of a running VM (hotplug-libvirt.h). One name stands for all that belongs to a
 * device: "hot01".
 */
#include "vmm/worker/hotplug-libvirt.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"
#include "vmm/worker/libvirt-error.h"
#include "vmm/worker/nic-libvirt.h"
#include "vmm/worker/qmp-libvirt.h"

/* A guest that is asked to let a device go does so in milliseconds, or is stuck. */
#define RELEASE_TIMEOUT_MS 20000

/* Numbers of descriptor sets: libvirt counts its own from 0. */
#define FIRST_FD_SET 1000u

#define ADD_FD "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":%u,\"opaque\":\"%s\"}}"
#define REMOVE_FD "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":%u}}"
#define ADD_NODE                                                                                   \
    "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"raw\",\"node-name\":\"%s\","        \
    "\"read-only\":%s,\"discard\":\"unmap\",\"file\":{\"driver\":\"%s\","                          \
    "\"filename\":\"/dev/fdset/%u\",\"discard\":\"unmap\"}}}"
#define DELETE_NODE "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"%s\"}}"
#define ADD_DEVICE                                                                                 \
    "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"%s\",\"id\":\"%s\",%s\"drive\":\"%"   \
    "s\","                                                                                         \
    "\"serial\":\"%s\",\"write-cache\":\"on\",\"werror\":\"report\",\"rerror\":\"report\"}}"
#define DELETE_DEVICE "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"%s\"}}"

static bool
add_device(virDomain *domain, const char *name, const CocoDevicePlan *plan, unsigned int slot,
           GError **error)
{
    CocoPlace place = coco_device_plan_slot(plan, slot);
    g_autofree char *bus = coco_device_plan_qemu_bus(plan, &place);
    g_autofree char *address = coco_device_plan_qemu_address(&place);
    g_autofree char *where = place.is_ccw
                                 ? g_strdup_printf("\"devno\":\"%s\",", address)
                                 : g_strdup_printf("\"bus\":\"%s\",\"addr\":\"%s\",", bus, address);
    g_autofree char *what = g_strdup_printf("attach disk '%s'", name);
    g_autofree char *text = g_strdup_printf(
        ADD_DEVICE, place.is_ccw ? "virtio-blk-ccw" : "virtio-blk-pci", name, where, name, name);

    return coco_qmp_command(domain, what, text, -1, error);
}

static bool
add_node(virDomain *domain, const char *name, unsigned int slot, const CocoVmDisk *disk,
         GError **error)
{
    g_autofree char *what = g_strdup_printf("open disk '%s'", name);
    g_autofree char *text =
        g_strdup_printf(ADD_NODE, name, disk->readonly ? "true" : "false",
                        disk->is_device ? "host_device" : "file", FIRST_FD_SET + slot);

    return coco_qmp_command(domain, what, text, -1, error);
}

static bool
add_descriptor(virDomain *domain, const char *name, unsigned int slot, int fd, GError **error)
{
    g_autofree char *what = g_strdup_printf("give disk '%s' to QEMU", name);
    g_autofree char *text = g_strdup_printf(ADD_FD, FIRST_FD_SET + slot, name);

    return coco_qmp_command(domain, what, text, fd, error);
}

/* Of whichever kind it was, and without an error: what is not there cannot be taken away. */
static void
remove_backend(virDomain *domain, const char *name, unsigned int slot)
{
    g_autofree char *node = g_strdup_printf(DELETE_NODE, name);
    g_autofree char *set = g_strdup_printf(REMOVE_FD, FIRST_FD_SET + slot);

    coco_nic_remove_back_end(domain, name);
    (void) coco_qmp_command(domain, "", node, -1, NULL);
    (void) coco_qmp_command(domain, "", set, -1, NULL);
}

/* The slot is free again. */
static void
free_slot(const char *run_dir, unsigned int slot)
{
    g_autofree char *name = coco_hot_device_name(slot);
    g_autofree char *path = g_build_filename(run_dir, "vm", name, NULL);

    (void) unlink(path);
}

void
coco_hotplug_free_slots(const char *run_dir, const unsigned int *slots, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free_slot(run_dir, slots[i]);
}

static bool
attach_disk(virDomain *domain, const CocoDevicePlan *plan, unsigned int slot,
            const CocoVmDisk *disk, GError **error)
{
    g_autofree char *name = coco_hot_device_name(slot);

    if (add_descriptor(domain, name, slot, disk->fd, error) &&
        add_node(domain, name, slot, disk, error) && add_device(domain, name, plan, slot, error))
        return true;
    remove_backend(domain, name, slot);
    return false;
}

static bool
attach_nic(virDomain *domain, const CocoDevicePlan *plan, unsigned int slot, const CocoVmNic *nic,
           GError **error)
{
    g_autofree char *name = coco_hot_device_name(slot);
    CocoPlace place = coco_device_plan_slot(plan, slot);

    return coco_nic_attach(domain, nic, name, plan, &place, error);
}

/* ---- detaching ---- */

typedef struct {
    bool released[COCO_HOTPLUG_SLOTS + 1]; /* by slot */
    bool timed_out;
} Release;

static void
on_device_deleted(virConnect *connection, virDomain *domain, const char *event, long long seconds,
                  unsigned int micros, const char *details, void *user_data)
{
    Release *release = user_data;
    g_autoptr(json_object) object = details != NULL ? json_tokener_parse(details) : NULL;
    const char *device =
        json_object_is_type(object, json_type_object) ? coco_json_string(object, "device") : NULL;

    for (unsigned int slot = 1; device != NULL && slot <= COCO_HOTPLUG_SLOTS; slot++) {
        g_autofree char *name = coco_hot_device_name(slot);

        release->released[slot] = release->released[slot] || strcmp(device, name) == 0;
    }
}

static void
on_release_timeout(int timer, void *user_data)
{
    Release *release = user_data;

    release->timed_out = true;
}

/* The first slot that is not released yet; 0 for none. */
static unsigned int
first_held(const Release *release, const unsigned int *slots, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!release->released[slots[i]])
            return slots[i];
    }
    return 0;
}

static bool
ask_for_release(virDomain *domain, unsigned int slot, Release *release, GError **error)
{
    g_autofree char *name = coco_hot_device_name(slot);
    g_autofree char *what = g_strdup_printf("detach device '%s'", name);
    g_autofree char *text = g_strdup_printf(DELETE_DEVICE, name);
    g_autoptr(GError) failure = NULL;

    if (coco_qmp_command(domain, what, text, -1, &failure))
        return true;
    if (strstr(failure->message, "not found") != NULL) {
        release->released[slot] = true;
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static bool
wait_for_release(Release *release, const unsigned int *slots, size_t n, GError **error)
{
    int timer = virEventAddTimeout(RELEASE_TIMEOUT_MS, on_release_timeout, release, NULL);
    bool running = timer >= 0;
    unsigned int held;

    while (running && first_held(release, slots, n) != 0 && !release->timed_out)
        running = virEventRunDefaultImpl() == 0;
    if (timer >= 0)
        (void) virEventRemoveTimeout(timer);
    held = first_held(release, slots, n);
    if (held != 0)
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BUSY,
                    "detach device 'hot%02u': the guest does not let it go", held);
    return held == 0;
}

static bool
release_all(virDomain *domain, const unsigned int *slots, size_t n, Release *release,
            GError **error)
{
    for (size_t i = 0; i < n; i++) {
        if (!ask_for_release(domain, slots[i], release, error))
            return false;
    }
    return wait_for_release(release, slots, n, error);
}

bool
coco_hotplug_detach(virDomain *domain, const char *run_dir, const unsigned int *slots, size_t n,
                    GError **error)
{
    virConnect *connection = virDomainGetConnect(domain);
    Release release = { 0 };
    int handle = virConnectDomainQemuMonitorEventRegister(connection, domain, "DEVICE_DELETED",
                                                          on_device_deleted, &release, NULL, 0);
    bool done;

    if (handle < 0)
        return coco_libvirt_error(error, "watch the VM");
    done = release_all(domain, slots, n, &release, error);
    (void) virConnectDomainQemuMonitorEventDeregister(connection, handle);
    for (size_t i = 0; i < n; i++) {
        g_autofree char *name = coco_hot_device_name(slots[i]);

        if (!release.released[slots[i]])
            continue;
        remove_backend(domain, name, slots[i]);
        free_slot(run_dir, slots[i]);
    }
    return done;
}

bool
coco_hotplug_attach(virDomain *domain, const char *run_dir, const CocoWorkerJob *job,
                    GError **error)
{
    g_autoptr(CocoDevicePlan) plan = coco_device_plan_new(job->spec);
    const CocoVmDisks *disks = &job->spec->disks;
    const CocoVmNics *nics = &job->spec->nics;

    for (size_t i = 0; i < job->n_slots; i++) {
        if (i < disks->n
                ? attach_disk(domain, plan, job->slots[i], &disks->items[i], error)
                : attach_nic(domain, plan, job->slots[i], &nics->items[i - disks->n], error))
            continue;
        coco_hotplug_free_slots(run_dir, job->slots + i, job->n_slots - i);
        if (i > 0)
            (void) coco_hotplug_detach(domain, run_dir, job->slots, i, NULL);
        return false;
    }
    return true;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * QMP for interfaces (nic-libvirt.h).
 */
#include "vmm/worker/nic-libvirt.h"

#include <json-c/json.h>

#include "vmm/config/json.h"
#include "vmm/config/vm-nic.h"
#include "vmm/config/vmm-error.h"
#include "vmm/worker/qmp-libvirt.h"

/* Sends {"execute":name,"arguments":arguments}. arguments: (transfer full) */
static bool
execute(virDomain *domain, const char *what, const char *name, json_object *arguments, int fd,
        GError **error)
{
    g_autoptr(json_object) command = json_object_new_object();

    coco_json_add_string(command, "execute", name);
    (void) json_object_object_add(command, "arguments", arguments);
    return coco_qmp_command(
        domain, what, json_object_to_json_string_ext(command, JSON_C_TO_STRING_PLAIN), fd, error);
}

/* Gives QEMU the descriptors by names, which are appended to names: "nic0-tap0:nic0-tap1". */
static bool
give(virDomain *domain, const char *nic, const char *kind, const int *fds, unsigned int n,
     GString *names, GError **error)
{
    g_autofree char *what = g_strdup_printf("give interface '%s' to QEMU", nic);

    for (unsigned int i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("%s-%s%u", nic, kind, i);
        json_object *arguments = json_object_new_object();

        coco_json_add_string(arguments, "fdname", name);
        if (!execute(domain, what, "getfd", arguments, fds[i], error))
            return false;
        g_string_append_printf(names, "%s%s", i > 0 ? ":" : "", name);
    }
    return true;
}

static bool
add_back_end(virDomain *domain, const CocoVmNic *nic, const char *name, GError **error)
{
    g_autofree char *what = g_strdup_printf("make interface '%s'", name);
    g_autoptr(GString) taps = g_string_new(NULL);
    g_autoptr(GString) vhosts = g_string_new(NULL);
    bool vhost = !nic->user && nic->vhost[0] >= 0;
    json_object *arguments;

    if (!give(domain, name, "tap", nic->fds, nic->queues, taps, error) ||
        (vhost && !give(domain, name, "vhost", nic->vhost, nic->queues, vhosts, error)))
        return false;
    arguments = json_object_new_object();
    coco_json_add_string(arguments, "type", nic->user ? "user" : "tap");
    coco_json_add_string(arguments, "id", name);
    if (!nic->user)
        coco_json_add_string(arguments, "fds", taps->str);
    if (vhost) {
        (void) json_object_object_add(arguments, "vhost", json_object_new_boolean(true));
        coco_json_add_string(arguments, "vhostfds", vhosts->str);
    }
    return execute(domain, what, "netdev_add", arguments, -1, error);
}

/* Without an option ROM: the firmware would try to boot from the network. */
static void
add_pci(json_object *arguments, const CocoVmNic *nic, const char *bus, const char *address)
{
    coco_json_add_string(arguments, "driver", "virtio-net-pci");
    coco_json_add_string(arguments, "bus", bus);
    coco_json_add_string(arguments, "addr", address);
    coco_json_add_string(arguments, "romfile", "");
    if (nic->queues > 1) /* of each queue's two directions, of the control queue and of changes */
        coco_json_add_int(arguments, "vectors", 2 * (gint64) nic->queues + 2);
}

static bool
add_device(virDomain *domain, const CocoVmNic *nic, const char *name, const CocoDevicePlan *plan,
           const CocoPlace *place, GError **error)
{
    g_autofree char *bus = coco_device_plan_qemu_bus(plan, place);
    g_autofree char *address = coco_device_plan_qemu_address(place);
    g_autofree char *what = g_strdup_printf("plug in interface '%s'", name);
    json_object *arguments = json_object_new_object();

    coco_json_add_string(arguments, "id", name);
    coco_json_add_string(arguments, "netdev", name);
    coco_json_add_string(arguments, "mac", nic->mac);
    coco_json_add_int(arguments, "host_mtu", nic->mtu);
    if (nic->queues > 1)
        (void) json_object_object_add(arguments, "mq", json_object_new_boolean(true));
    if (place->is_ccw) {
        coco_json_add_string(arguments, "driver", "virtio-net-ccw");
        coco_json_add_string(arguments, "devno", address);
    } else {
        add_pci(arguments, nic, bus, address);
    }
    return execute(domain, what, "device_add", arguments, -1, error);
}

/* What was given and not used is still QEMU's. Without an error: what is not there cannot be
 * closed.
 */
static void
close_given(virDomain *domain, const CocoVmNic *nic, const char *name)
{
    static const char *const kinds[] = { "tap", "vhost" };

    for (unsigned int i = 0; i < G_N_ELEMENTS(kinds) * nic->queues; i++) {
        g_autofree char *given =
            g_strdup_printf("%s-%s%u", name, kinds[i / nic->queues], i % nic->queues);
        json_object *arguments = json_object_new_object();

        coco_json_add_string(arguments, "fdname", given);
        (void) execute(domain, "", "closefd", arguments, -1, NULL);
    }
}

void
coco_nic_remove_back_end(virDomain *domain, const char *name)
{
    json_object *arguments = json_object_new_object();

    coco_json_add_string(arguments, "id", name);
    (void) execute(domain, "", "netdev_del", arguments, -1, NULL);
}

bool
coco_nic_attach(virDomain *domain, const CocoVmNic *nic, const char *name,
                const CocoDevicePlan *plan, const CocoPlace *place, GError **error)
{
    if (add_back_end(domain, nic, name, error) && add_device(domain, nic, name, plan, place, error))
        return true;
    coco_nic_remove_back_end(domain, name);
    close_given(domain, nic, name);
    return false;
}

bool
coco_nics_attach(virDomain *domain, const CocoVmNics *nics, const CocoDevicePlan *plan,
                 GError **error)
{
    for (size_t i = 0; i < nics->n; i++) {
        g_autofree char *name = coco_vm_nic_name(i);
        CocoPlace place = coco_device_plan_nic(plan, i);

        if (!coco_nic_attach(domain, &nics->items[i], name, plan, &place, error))
            return false;
    }
    return true;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers (device-plan.h). libvirt puts its own devices into the first slots of a root bus, the
 * machine into the last ones.
 */
#include "vmm/domain/device-plan.h"

#include <string.h>

#define ROOT_BUS "pcie.0"
#define FUNCTIONS 8u
#define OWN_SLOT 0x04u
#define DISK_SLOT 0x08u
#define DISK_SLOTS 16u
#define LATER_SLOT 0x18u
#define NIC_SLOT 0x19u

/* Of the bus for what comes later. */
#define MEMORY_SLOT 0x1fu

G_STATIC_ASSERT(COCO_HOTPLUG_SLOTS < MEMORY_SLOT);

/* Of the channel subsystem; libvirt counts its own from 0. */
#define CCW_DISKS 0x1000u
#define CCW_NICS 0x2000u
#define CCW_LATER 0x3000u

G_STATIC_ASSERT(COCO_VM_DISKS_MAX <= DISK_SLOTS * FUNCTIONS);
G_STATIC_ASSERT(COCO_VM_NICS_MAX <= FUNCTIONS);
G_STATIC_ASSERT(OWN_SLOT + COCO_N_OWN_DEVICES <= DISK_SLOT);

struct _CocoDevicePlan {
    CocoArch arch;
    bool later;
    GArray *bridges;        /* of CocoBridge; the first one's bus is 1 */
    unsigned int later_bus; /* x86_64: the bus itself; aarch64: the one behind the first port */
    unsigned int nic_bus;   /* behind the port of the first one */
};

static void
clear_bridge(void *data)
{
    g_free(((CocoBridge *) data)->alias);
}

/* Gives the number of the bus behind it. alias: (transfer full). */
static unsigned int
add_bridge(CocoDevicePlan *plan, const char *model, char *alias, CocoPlace place)
{
    CocoBridge bridge = {
        .bus = plan->bridges->len + 1, .model = model, .alias = alias, .place = place
    };

    g_array_append_val(plan->bridges, bridge);
    return bridge.bus;
}

/* A port for each of n devices: functions of one slot. Gives the number of the first bus. */
static unsigned int
add_ports(CocoDevicePlan *plan, unsigned int slot, size_t n, char *(*alias)(size_t))
{
    unsigned int first = plan->bridges->len + 1;

    for (size_t i = 0; i < n; i++)
        (void) add_bridge(plan, "pcie-root-port", alias(i),
                          (CocoPlace){ .slot = slot,
                                       .function = (unsigned int) i,
                                       .multifunction = i == 0 && n > 1 });
    return first;
}

static char *
nic_port(size_t i)
{
    return g_strdup_printf("ua-nic%zu-port", i);
}

static char *
later_port(size_t i)
{
    return g_strdup_printf(COCO_HOTPLUG_BUS "%zu-port", i + 1);
}

static void
add_room(CocoDevicePlan *plan)
{
    if (plan->arch == COCO_ARCH_X86_64) {
        unsigned int port = add_bridge(plan, "pcie-root-port", g_strdup(COCO_HOTPLUG_BUS "-port"),
                                       (CocoPlace){ .slot = LATER_SLOT });

        plan->later_bus = add_bridge(plan, "pcie-to-pci-bridge", g_strdup(COCO_HOTPLUG_BUS),
                                     (CocoPlace){ .bus = port });
    } else {
        plan->later_bus = add_ports(plan, LATER_SLOT, FUNCTIONS, later_port);
    }
}

CocoDevicePlan *
coco_device_plan_new(const CocoVmSpec *spec)
{
    CocoDevicePlan *plan = g_new0(CocoDevicePlan, 1);

    plan->arch = coco_vm_arch(spec->config);
    plan->later = spec->hotplug;
    plan->bridges = g_array_new(FALSE, FALSE, sizeof(CocoBridge));
    g_array_set_clear_func(plan->bridges, clear_bridge);
    if (plan->arch == COCO_ARCH_S390X)
        return plan;
    if (plan->later)
        add_room(plan);
    plan->nic_bus = add_ports(plan, NIC_SLOT, spec->nics.n, nic_port);
    return plan;
}

void
coco_device_plan_free(CocoDevicePlan *plan)
{
    if (plan == NULL)
        return;
    g_array_unref(plan->bridges);
    g_free(plan);
}

const CocoBridge *
coco_device_plan_bridges(const CocoDevicePlan *plan, size_t *out_n)
{
    *out_n = plan->bridges->len;
    return (const CocoBridge *) (void *) plan->bridges->data;
}

bool
coco_device_plan_own(const CocoDevicePlan *plan, CocoOwnDevice device, CocoPlace *out_place)
{
    if (plan->arch == COCO_ARCH_S390X)
        return false;
    *out_place = (CocoPlace){ .slot = OWN_SLOT + (unsigned int) device };
    return true;
}

static CocoPlace
ccw(unsigned int number)
{
    return (CocoPlace){ .is_ccw = true, .number = number };
}

CocoPlace
coco_device_plan_disk(const CocoDevicePlan *plan, size_t i)
{
    unsigned int function = (unsigned int) i / DISK_SLOTS;

    if (plan->arch == COCO_ARCH_S390X)
        return ccw(CCW_DISKS + (unsigned int) i);
    return (CocoPlace){ .slot = DISK_SLOT + (unsigned int) i % DISK_SLOTS,
                        .function = function,
                        .multifunction = function == 0 };
}

CocoPlace
coco_device_plan_nic(const CocoDevicePlan *plan, size_t i)
{
    if (plan->arch == COCO_ARCH_S390X)
        return ccw(CCW_NICS + (unsigned int) i);
    return (CocoPlace){ .bus = plan->nic_bus + (unsigned int) i };
}

unsigned int
coco_device_plan_slots(const CocoDevicePlan *plan)
{
    if (!plan->later)
        return 0;
    return plan->arch == COCO_ARCH_AARCH64 ? FUNCTIONS : COCO_HOTPLUG_SLOTS;
}

CocoPlace
coco_device_plan_slot(const CocoDevicePlan *plan, unsigned int slot)
{
    if (plan->arch == COCO_ARCH_S390X)
        return ccw(CCW_LATER + slot);
    if (plan->arch == COCO_ARCH_AARCH64)
        return (CocoPlace){ .bus = plan->later_bus + slot - 1 };
    return (CocoPlace){ .bus = plan->later_bus, .slot = slot };
}

unsigned int
coco_device_plan_slot_at(const CocoDevicePlan *plan, const char *path)
{
    for (unsigned int slot = 1; slot <= coco_device_plan_slots(plan); slot++) {
        const CocoPlace place = coco_device_plan_slot(plan, slot);
        g_autofree char *there = coco_device_plan_path(plan, &place);

        if (strcmp(there, path) == 0)
            return slot;
    }
    return 0;
}

CocoPlace
coco_device_plan_memory(const CocoDevicePlan *plan)
{
    return (CocoPlace){ .bus = plan->later_bus, .slot = MEMORY_SLOT };
}

static const CocoBridge *
bridge_of(const CocoDevicePlan *plan, const CocoPlace *place)
{
    return place->bus > 0 && place->bus <= plan->bridges->len
               ? &g_array_index(plan->bridges, CocoBridge, place->bus - 1)
               : NULL;
}

char *
coco_device_plan_qemu_bus(const CocoDevicePlan *plan, const CocoPlace *place)
{
    const CocoBridge *bridge = bridge_of(plan, place);

    if (place->is_ccw)
        return NULL;
    return g_strdup(bridge != NULL ? bridge->alias : ROOT_BUS);
}

char *
coco_device_plan_qemu_address(const CocoPlace *place)
{
    return place->is_ccw ? g_strdup_printf("fe.0.%04x", place->number)
                         : g_strdup_printf("0x%x", place->slot);
}

static char *
step_of(const CocoPlace *place)
{
    return place->function == 0 ? g_strdup_printf("%02x", place->slot)
                                : g_strdup_printf("%02x.%x", place->slot, place->function);
}

char *
coco_device_plan_path(const CocoDevicePlan *plan, const CocoPlace *place)
{
    char *path;

    if (place->is_ccw)
        return g_strdup_printf("0.0.%04x", place->number);
    path = step_of(place);
    for (const CocoBridge *bridge = bridge_of(plan, place); bridge != NULL;
         bridge = bridge_of(plan, &bridge->place)) {
        g_autofree char *rest = path;
        g_autofree char *step = step_of(&bridge->place);

        path = g_strconcat(step, "/", rest, NULL);
    }
    return path;
}

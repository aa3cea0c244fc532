// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/domain/device-plan.c: where devices are on each architecture, that no two share a place, and
 * that a path leads back to its slot.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/domain/device-plan.h"
#include "vmm/tee/tee-config.h"

static CocoVmConfig *
config_of(const char *machine)
{
    g_autofree char *text = g_strdup_printf("[vm]\ntee=none\nmachine=%s\n", machine);

    return coco_tee_config_parse("t.conf", text, strlen(text), NULL, NULL);
}

static const struct {
    const char *machine;
    bool room;
    const char *disks[3]; /* 0, 16, 127 */
    const char *nics[2];  /* 0, 7 */
    const char *slots[2]; /* the first and the last */
    unsigned int n_slots;
} rows[] = {
    { "q35",
      true,
      { "08", "08.1", "17.7" },
      { "19/00", "19.7/00" },
      { "18/00/01", "18/00/1e" },
      30 },
    { "pc-q35-7.2", false, { "08", "08.1", "17.7" }, { "19/00", "19.7/00" }, { NULL }, 0 },
    { "virt", true, { "08", "08.1", "17.7" }, { "19/00", "19.7/00" }, { "18/00", "18.7/00" }, 8 },
    { "s390-ccw-virtio",
      true,
      { "0.0.1000", "0.0.1010", "0.0.107f" },
      { "0.0.2000", "0.0.2007" },
      { "0.0.3001", "0.0.301e" },
      30 },
};

static CocoDevicePlan *
plan_of(const CocoVmConfig *config, bool room)
{
    g_auto(CocoVmSpec) spec = { .config = config, .hotplug = room };

    for (size_t i = 0; i < COCO_VM_NICS_MAX; i++)
        coco_vm_nics_add(&spec.nics, "02:00:00:00:00:01", 1500, 1, false);
    return coco_device_plan_new(&spec);
}

static void
expect_path(const CocoDevicePlan *plan, CocoPlace place, const char *path)
{
    g_autofree char *found = coco_device_plan_path(plan, &place);

    cr_assert_str_eq(found, path);
}

Test(device_plan, paths)
{
    static const size_t disks[] = { 0, 16, COCO_VM_DISKS_MAX - 1 };
    static const size_t nics[] = { 0, COCO_VM_NICS_MAX - 1 };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(rows[i].machine);
        g_autoptr(CocoDevicePlan) plan = plan_of(config, rows[i].room);

        for (size_t k = 0; k < G_N_ELEMENTS(disks); k++)
            expect_path(plan, coco_device_plan_disk(plan, disks[k]), rows[i].disks[k]);
        for (size_t k = 0; k < G_N_ELEMENTS(nics); k++)
            expect_path(plan, coco_device_plan_nic(plan, nics[k]), rows[i].nics[k]);
        cr_assert_eq(coco_device_plan_slots(plan), rows[i].n_slots);
        if (rows[i].n_slots == 0)
            continue;
        expect_path(plan, coco_device_plan_slot(plan, 1), rows[i].slots[0]);
        expect_path(plan, coco_device_plan_slot(plan, rows[i].n_slots), rows[i].slots[1]);
    }
}

/* What is attached later goes by a plan that knows the interfaces of the launch no more. */
Test(device_plan, slots_are_where_they_were)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(rows[i].machine);
        const CocoVmSpec bare = { .config = config, .hotplug = true };
        g_autoptr(CocoDevicePlan) launched = plan_of(config, true);
        g_autoptr(CocoDevicePlan) later = coco_device_plan_new(&bare);

        for (unsigned int slot = 1; slot <= coco_device_plan_slots(later); slot++) {
            const CocoPlace there = coco_device_plan_slot(launched, slot);
            g_autofree char *path = coco_device_plan_path(launched, &there);
            g_autofree char *bus = coco_device_plan_qemu_bus(launched, &there);
            g_autofree char *bus_later = coco_device_plan_qemu_bus(later, &there);

            expect_path(later, coco_device_plan_slot(later, slot), path);
            cr_assert_eq(g_strcmp0(bus, bus_later), 0);
            cr_assert_eq(coco_device_plan_slot_at(later, path), slot);
        }
    }
}

Test(device_plan, what_is_no_slot)
{
    static const char *const others[] = { "", "18/00/00", "18/00/1f", "18/00/1", "08", "hot01" };
    g_autoptr(CocoVmConfig) config = config_of("q35");
    g_autoptr(CocoDevicePlan) plan = plan_of(config, true);

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        cr_assert_eq(coco_device_plan_slot_at(plan, others[i]), 0, "%s", others[i]);
}

/* The guest's path stands for the place. */
static void
claim(GHashTable *taken, const CocoDevicePlan *plan, CocoPlace place)
{
    char *path = coco_device_plan_path(plan, &place);

    cr_assert(g_hash_table_add(taken, path), "%s is taken twice", path);
}

Test(device_plan, no_place_is_taken_twice)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(rows[i].machine);
        g_autoptr(CocoDevicePlan) plan = plan_of(config, rows[i].room);
        g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        size_t n;
        const CocoBridge *bridges = coco_device_plan_bridges(plan, &n);
        CocoPlace own;

        for (size_t k = 0; k < n; k++) {
            cr_assert_eq(bridges[k].bus, k + 1);
            cr_assert_lt(bridges[k].place.bus, bridges[k].bus);
            claim(taken, plan, bridges[k].place);
        }
        for (CocoOwnDevice device = 0; device < COCO_N_OWN_DEVICES; device++) {
            if (coco_device_plan_own(plan, device, &own))
                claim(taken, plan, own);
        }
        for (size_t k = 0; k < COCO_VM_DISKS_MAX; k++)
            claim(taken, plan, coco_device_plan_disk(plan, k));
        for (size_t k = 0; k < COCO_VM_NICS_MAX; k++)
            claim(taken, plan, coco_device_plan_nic(plan, k));
        if (rows[i].n_slots > 0 && strcmp(rows[i].machine, "q35") == 0)
            claim(taken, plan, coco_device_plan_memory(plan));
        for (unsigned int slot = 1; slot <= coco_device_plan_slots(plan); slot++)
            claim(taken, plan, coco_device_plan_slot(plan, slot));
    }
}

/* Without room there is no such bus; what goes there all the same is QEMU's to refuse. */
Test(device_plan, no_room)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(rows[i].machine);
        const CocoVmSpec spec = { .config = config };
        g_autoptr(CocoDevicePlan) plan = coco_device_plan_new(&spec);
        const CocoPlace places[] = { coco_device_plan_slot(plan, COCO_HOTPLUG_SLOTS),
                                     coco_device_plan_memory(plan),
                                     coco_device_plan_nic(plan, COCO_VM_NICS_MAX - 1) };

        for (size_t k = 0; k < G_N_ELEMENTS(places); k++) {
            g_autofree char *bus = coco_device_plan_qemu_bus(plan, &places[k]);
            g_autofree char *path = coco_device_plan_path(plan, &places[k]);

            cr_assert(places[k].is_ccw ? bus == NULL : strcmp(bus, "pcie.0") == 0, "%s", path);
        }
    }
}

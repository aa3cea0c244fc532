// SPDX-License-Identifier: Apache-2.0
/* vmm/config/vm-size.c: what the VM has and the pod wants, and what bounds both. */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vm-size.h"
#include "vmm/tee/tee-config.h"

static const CocoVmSize host = { .vcpus = 4, .memory_mib = 8000 };

static CocoVmConfig *
config_of(const char *vm)
{
    g_autofree char *text = g_strconcat("[vm]\ntee=none\n", vm, NULL);
    CocoVmConfig *config = coco_tee_config_parse("test.conf", text, strlen(text), NULL, NULL);

    cr_assert_not_null(config);
    return config;
}

Test(vm_size, sums_and_bounds)
{
    static const struct {
        const char *vm;
        CocoVmSize pod, expected;
    } rows[] = {
        { "", { 0, 0 }, { 1, 256 } },
        { "", { 2, 512 }, { 3, 768 } },
        { "vcpus=2\nmemory_mib=100\n", { 1, 28 }, { 3, 128 } },
        { "", { 64, 0 }, { 4, 256 } },          /* the host's */
        { "", { 0, 1000000 }, { 1, 8000 } },    /* a limit beyond the host is none */
        { "vcpus=8\n", { 64, 0 }, { 8, 256 } }, /* the operator's word */
        { "max_vcpus=2\n", { 64, 0 }, { 2, 256 } },
        { "max_vcpus=6\n", { 64, 0 }, { 6, 256 } },
        { "max_memory_mib=9000\n", { 0, 8744 }, { 1, 9000 } },
        { "", { UINT32_MAX, UINT32_MAX }, { 4, 8000 } },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(rows[i].vm);
        g_autoptr(GError) error = NULL;
        CocoVmSize size;

        cr_assert(coco_vm_size_resolve(config, rows[i].pod, host, &size, &error), "row %zu", i);
        cr_expect_eq(size.vcpus, rows[i].expected.vcpus, "row %zu: %u", i, size.vcpus);
        cr_expect_eq(size.memory_mib, rows[i].expected.memory_mib, "row %zu: %u", i,
                     size.memory_mib);
    }
}

Test(vm_size, room)
{
    static const struct {
        const char *vm;
        CocoVmSize size, expected;
    } rows[] = {
        { "", { 1, 256 }, { 4, 8000 } },  /* the host's */
        { "", { 8, 9000 }, { 8, 9000 } }, /* never less than there is */
        { "max_vcpus=64\n", { 1, 256 }, { 64, 8000 } },
        { "max_memory_mib=512\n", { 1, 256 }, { 4, 512 } },
        { "[memory]\nhugepages=2M\n", { 1, 256 }, { 4, 256 } },
        { "[memory]\nlocked=yes\n", { 1, 256 }, { 4, 256 } },
        { "machine=virt\n", { 1, 256 }, { 1, 256 } },
    };
    g_autoptr(CocoVmConfig) plain = config_of("");
    g_autoptr(CocoVmConfig) snp = coco_tee_config_parse("t", "[vm]\ntee=snp\n", 13, NULL, NULL);
    CocoVmSize room;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(rows[i].vm);

        room = coco_vm_size_room(config, rows[i].size, host);
        cr_expect_eq(room.vcpus, rows[i].expected.vcpus, "row %zu: %u", i, room.vcpus);
        cr_expect_eq(room.memory_mib, rows[i].expected.memory_mib, "row %zu: %u", i,
                     room.memory_mib);
    }
    /* A few, where only the host bounds it; none with a TEE. */
    room = coco_vm_size_room(plain, (CocoVmSize){ 2, 256 }, (CocoVmSize){ 128, 8000 });
    cr_expect_eq(room.vcpus, 10);
    room = coco_vm_size_room(snp, (CocoVmSize){ 2, 256 }, host);
    cr_expect_eq(room.vcpus, 2);
    cr_expect_eq(room.memory_mib, 256);
}

Test(vm_size, what_is_refused)
{
    static const struct {
        const char *vm;
        CocoVmSize pod;
        const char *message;
    } rows[] = {
        { "max_memory_mib=512\n",
          { 0, 257 },
          "config 'test.conf' line 3: [vm] max_memory_mib: it is 512, and the pod's limit of 257 "
          "MiB and the VM's own 256 MiB are more" },
        { "max_memory_mib=512\n",
          { 0, UINT32_MAX },
          "config 'test.conf' line 3: [vm] max_memory_mib: it is 512, and the pod's limit of "
          "4294967295 MiB and the VM's own 256 MiB are more" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(CocoVmConfig) config = config_of(rows[i].vm);
        g_autoptr(GError) error = NULL;
        CocoVmSize size = { 77, 77 };

        cr_assert_not(coco_vm_size_resolve(config, rows[i].pod, host, &size, &error));
        cr_expect_str_eq(error->message, rows[i].message);
        cr_expect_eq(size.vcpus, 77);
    }
}

/* Before there is a pod: the launcher, `check` and `cococtl measure` say it. */
Test(vm_size, a_bound_below_the_vm_itself_is_no_config)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        { "[vm]\ntee=none\nmax_memory_mib=128\n",
          "config 'test.conf' line 3: [vm] max_memory_mib: 128 is less than the 256 of the VM "
          "itself" },
        { "[vm]\ntee=none\nmax_vcpus=1\nvcpus=2\n",
          "config 'test.conf' line 3: [vm] max_vcpus: 1 is less than the 2 of the VM itself" },
        { "[vm]\ntee=snp\nmax_memory_mib=2047\n",
          "config 'test.conf' line 3: [vm] max_memory_mib: 2047 is less than the 2048 of the VM "
          "itself" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_null(
            coco_tee_config_parse("test.conf", rows[i].text, strlen(rows[i].text), NULL, &error));
        cr_expect_str_eq(error->message, rows[i].message);
    }
}

Test(vm_size, this_host_has_some)
{
    CocoVmSize size = coco_vm_size_of_host();

    cr_expect_geq(size.vcpus, 1);
    cr_expect_gt(size.memory_mib, 64);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/domain/domain-xml.c against golden files. COCO_UPDATE_GOLDEN=1 rewrites them.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <libxml/parser.h>

#include "vmm/domain/domain-xml.h"
#include "vmm/tee/tee-config.h"

static CocoVmConfig *
config_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    CocoVmConfig *config = coco_tee_config_parse("golden", text, strlen(text), NULL, &error);

    cr_assert_null(error);
    return config;
}

#define CONFIG "[vm]\ntee=none\n[guest]\nkernel=/g/vmlinuz\ninitrd=/g/initrd.img\n"

/* spec: what is not in it comes from the config; cleared. */
static char *
xml_of(const CocoVmConfig *config, CocoVmSpec *spec, const char *initdata_disk)
{
    CocoDomainFacts facts = { .spec = spec,
                              .run_dir = "/run/coco/0123456789abcdef0123",
                              .virtiofsd = "/run/coco/0123456789abcdef0123/vm/virtiofsd",
                              .initdata_disk = initdata_disk };
    CocoVmSpec whole;
    char *xml;

    coco_domain_spec_init(&whole, config, spec->accel, spec->transport);
    spec->config = config;
    spec->vcpus = whole.vcpus;
    spec->memory_mib = whole.memory_mib;
    spec->cmdline = whole.cmdline;
    xml = coco_domain_xml(&facts);
    coco_vm_spec_clear(spec);
    return xml;
}

static void
compare_spec(const char *name, const char *text, CocoVmSpec *spec, const char *initdata_disk)
{
    g_autoptr(CocoVmConfig) config = config_of(text);
    g_autofree char *xml = xml_of(config, spec, initdata_disk);
    g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
    g_autofree char *golden = NULL;

    if (g_getenv("COCO_UPDATE_GOLDEN") != NULL)
        cr_assert(g_file_set_contents(path, xml, -1, NULL));
    cr_assert(g_file_get_contents(path, &golden, NULL, NULL), "no golden file %s", path);
    cr_assert_str_eq(xml, golden);
}

static void
compare(const char *name, const char *text, CocoAccel accel, CocoTransport transport,
        const char *share)
{
    CocoVmSpec spec = { .accel = accel, .transport = transport, .share = g_strdup(share) };

    compare_spec(name, text, &spec, NULL);
}

Test(domain_xml, kvm_vsock_share)
{
    compare("kvm-vsock-share.xml", CONFIG, COCO_ACCEL_KVM, COCO_TRANSPORT_VSOCK,
            "/run/coco/0123456789abcdef0123/shared");
}

Test(domain_xml, kvm_vsock)
{
    compare("kvm-vsock.xml", CONFIG, COCO_ACCEL_KVM, COCO_TRANSPORT_VSOCK, NULL);
}

Test(domain_xml, tcg_channel_share)
{
    compare("tcg-channel-share.xml", CONFIG, COCO_ACCEL_TCG, COCO_TRANSPORT_CHANNEL,
            "/run/coco/0123456789abcdef0123/shared");
}

Test(domain_xml, tcg_channel)
{
    compare("tcg-channel.xml", CONFIG, COCO_ACCEL_TCG, COCO_TRANSPORT_CHANNEL, NULL);
}

/* Files by descriptor, devices by a node of QEMU's own; more than one slot's worth of them, and
 * more than have interrupts of their own. */
Test(domain_xml, disks_of_the_host)
{
    CocoVmSpec spec = { .accel = COCO_ACCEL_TCG, .transport = COCO_TRANSPORT_CHANNEL };
    CocoVmDisks *disks = &spec.disks;

    coco_vm_disks_add(disks, "/snapshots/1/rwlayer.img", false);
    coco_vm_disks_add(disks, "/snapshots/<2>/layer.erofs", true);
    coco_vm_disks_add(disks, "/dev/mapper/pool-snap-3", false);
    coco_vm_disks_add(disks, "/dev/mapper/pool-snap-4", true);
    disks->items[2].is_device = disks->items[3].is_device = true;
    while (disks->n < COCO_VM_DISKS_OWN_INTERRUPTS + 2)
        coco_vm_disks_add(disks, "/layer", true);
    compare_spec("disks.xml", CONFIG, &spec, "/run/coco/0123456789abcdef0123/initdata.img");
}

Test(domain_xml, room_for_what_comes_later)
{
    CocoVmSpec spec = { .accel = COCO_ACCEL_TCG,
                        .transport = COCO_TRANSPORT_CHANNEL,
                        .hotplug = true,
                        .max_vcpus = 8,
                        .max_memory_mib = 4096 };

    compare_spec("hotplug.xml", CONFIG, &spec, NULL);
}

/* With the bus for later disks and without. */
Test(domain_xml, ports_for_interfaces)
{
    CocoVmSpec two = { .accel = COCO_ACCEL_TCG,
                       .transport = COCO_TRANSPORT_CHANNEL,
                       .hotplug = true,
                       .share = g_strdup("/run/coco/0123456789abcdef0123/shared") };
    CocoVmSpec one = { .accel = COCO_ACCEL_KVM, .transport = COCO_TRANSPORT_VSOCK };

    coco_vm_nics_add(&two.nics, "02:00:00:00:00:01", 1500, 1, false);
    coco_vm_nics_add(&two.nics, "02:00:00:00:00:02", 9000, 2, false);
    coco_vm_nics_add(&one.nics, "02:00:00:00:00:01", 1500, 0, true);
    compare_spec("two-interfaces.xml", CONFIG, &two, NULL);
    compare_spec("one-interface.xml", CONFIG, &one, NULL);
}

/* Without a TEE, on the other architectures; a device of each kind, and room. */
Test(domain_xml, other_architectures)
{
    static const struct {
        const char *golden;
        const char *config;
    } rows[] = {
        { "aarch64.xml", CONFIG "[vm]\nmachine=virt\n[host]\nqemu=/usr/bin/qemu-system-aarch64\n" },
        { "aarch64-firmware.xml", CONFIG "firmware=/fw.fd\n[vm]\nmachine=virt\n[host]\n"
                                         "qemu=/usr/bin/qemu-system-aarch64\n" },
        { "s390x.xml",
          CONFIG "[vm]\nmachine=s390-ccw-virtio\n[host]\nqemu=/usr/bin/qemu-system-s390x\n" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        CocoVmSpec spec = { .accel = COCO_ACCEL_KVM,
                            .transport = COCO_TRANSPORT_CHANNEL,
                            .hotplug = true,
                            .share = g_strdup("/run/coco/0123456789abcdef0123/shared") };

        coco_vm_disks_add(&spec.disks, "/a/disk", true);
        coco_vm_nics_add(&spec.nics, "02:00:00:00:00:01", 1500, 1, false);
        coco_vm_nics_add(&spec.nics, "02:00:00:00:00:02", 1500, 1, false);
        compare_spec(rows[i].golden, rows[i].config, &spec,
                     "/run/coco/0123456789abcdef0123/initdata.img");
    }
}

Test(domain_xml, every_key_that_shows)
{
    compare("all-keys.xml",
            CONFIG "cmdline=<&\"' x\nfirmware=/fw.fd\n[debug]\nguest_verbose=true\n"
                   "[vm]\ncpu=EPYC-v4\nvcpus=4\nmemory_mib=1024\nmachine=pc-q35-7.2\n"
                   "[host]\nqemu=/opt/qemu\n",
            COCO_ACCEL_KVM, COCO_TRANSPORT_CHANNEL, NULL);
}

Test(domain_xml, hostile_text_stays_text)
{
    CocoVmSpec spec = { .accel = COCO_ACCEL_TCG,
                        .transport = COCO_TRANSPORT_CHANNEL,
                        .share = g_strdup("/a'><b>&\"") };
    g_autoptr(CocoVmConfig) config = config_of(CONFIG "cmdline=</cmdline><x/>]]>\n");
    g_autofree char *xml = xml_of(config, &spec, NULL);
    xmlDoc *document = xmlReadMemory(xml, (int) strlen(xml), "x", NULL, XML_PARSE_NONET);

    cr_assert_not_null(document);
    cr_assert_null(strstr(xml, "<x/>"));
    cr_assert_null(strstr(xml, "<b>"));
    xmlFreeDoc(document);
}

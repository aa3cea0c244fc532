// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the domain XML (domain-xml.h).
 *
 * The machine is as small as libvirt lets it be: no video, no USB, no balloon. Every device costs
 * the firmware and the guest time, which under TCG is most of the boot.
 */
#include "vmm/domain/domain-xml.h"

#include <string.h>

#include "vmm/config/sgx-epc.h"
#include "vmm/tee/tee.h"
#include "vmm/xml/xml-writer.h"

/* The kernel's name of the console that write_serial() makes. */
static const char *
console_name(const struct CocoTeeOps *ops)
{
    return strcmp(ops->arch, "aarch64") == 0 ? "ttyAMA0" : "ttyS0";
}

static char *
whole_cmdline(const CocoVmConfig *config, CocoAccel accel)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);
    const char *own = coco_vm_config_string(config, COCO_KEY_GUEST_CMDLINE);
    GString *line;

    if (ops->tee == COCO_TEE_SE)
        return g_strdup("");
    line = g_string_new(NULL);
    /* Without its crypto self-tests the kernel boots with 45 % fewer instructions. */
    g_string_printf(line, "console=%s panic=-1 reboot=k random.trust_cpu=on cryptomgr.notests",
                    console_name(ops));
    /* A seed that comes with the boot is the host's, who could know all random numbers by it: it is
     * mixed in, and counts for nothing. */
    if (ops->tee != COCO_TEE_NONE)
        g_string_append(line, " random.trust_bootloader=off");
    g_string_append(line, coco_vm_config_bool(config, COCO_KEY_DEBUG_GUEST_VERBOSE)
                              ? " ignore_loglevel"
                              : " quiet");
    /* The check of the timer interrupt fails at random where the host preempts the vCPU. */
    if (accel == COCO_ACCEL_TCG)
        g_string_append(line, " no_timer_check");
    if (own[0] != '\0')
        g_string_append_printf(line, " %s", own);
    return g_string_free(line, FALSE);
}

void
coco_domain_spec_init(CocoVmSpec *out_spec, const CocoVmConfig *config, CocoAccel accel,
                      CocoTransport transport)
{
    *out_spec = (CocoVmSpec){
        .config = config,
        .accel = accel,
        .transport = transport,
        .vcpus = coco_vm_config_number(config, COCO_KEY_VM_VCPUS),
        .memory_mib = coco_vm_config_number(config, COCO_KEY_VM_MEMORY_MIB),
        .cmdline = whole_cmdline(config, accel),
    };
}

/* The file that QEMU is to open for this key, or "". */
static const char *
boot_file(const CocoVmConfig *config, const CocoDomainFacts *facts, CocoBootFile file)
{
    const char *path = facts->boot != NULL ? coco_boot_files_path(facts->boot, file) : NULL;

    return path != NULL ? path : coco_vm_config_string(config, coco_boot_file_key(file));
}

static void
write_os(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    const char *firmware = boot_file(config, facts, COCO_BOOT_FIRMWARE);
    const char *initrd = boot_file(config, facts, COCO_BOOT_INITRD);
    const char *cmdline = facts->spec->cmdline;

    coco_xml_open(w, "os");
    coco_xml_open(w, "type");
    coco_xml_attribute(w, "arch", coco_tee_of(config)->arch);
    coco_xml_attribute(w, "machine", coco_vm_config_string(config, COCO_KEY_VM_MACHINE));
    coco_xml_string(w, "hvm");
    coco_xml_close(w);
    if (firmware[0] != '\0') {
        /* A flash chip would do for SNP and not for TDX, and QEMU only makes private memory of a
         * ROM. */
        coco_xml_open(w, "loader");
        coco_xml_attribute(w, "type", "rom");
        coco_xml_string(w, firmware);
        coco_xml_close(w);
    }
    coco_xml_text(w, "kernel", boot_file(config, facts, COCO_BOOT_KERNEL));
    if (initrd[0] != '\0')
        coco_xml_text(w, "initrd", initrd);
    if (cmdline[0] != '\0')
        coco_xml_text(w, "cmdline", cmdline);
    coco_xml_close(w);
}

static void
write_cpu(xmlTextWriter *w, const CocoVmConfig *config, CocoAccel accel)
{
    const char *model = coco_vm_config_string(config, COCO_KEY_VM_CPU);

    if (model[0] == '\0') {
        coco_xml_leaf(w, "cpu", "mode", accel == COCO_ACCEL_KVM ? "host-passthrough" : "maximum",
                      NULL);
        return;
    }
    coco_xml_open(w, "cpu");
    coco_xml_attribute(w, "mode", "custom");
    coco_xml_attribute(w, "match", "exact");
    coco_xml_attribute(w, "check", "none");
    coco_xml_text(w, "model", model);
    coco_xml_close(w);
}

static void
write_hugepages(xmlTextWriter *w, const CocoVmConfig *config)
{
    static const char *const sizes[] = { NULL, "2", "1" };
    static const char *const units[] = { NULL, "MiB", "GiB" };
    int pages = coco_vm_config_choice(config, COCO_KEY_MEMORY_HUGEPAGES);

    if (pages == COCO_HUGEPAGES_NONE)
        return;
    coco_xml_open(w, "hugepages");
    coco_xml_leaf(w, "page", "size", sizes[pages], "unit", units[pages], NULL);
    coco_xml_close(w);
}

static void
write_backing(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    int backing = coco_vm_config_choice(config, COCO_KEY_MEMORY_BACKING);
    bool huge = coco_vm_config_choice(config, COCO_KEY_MEMORY_HUGEPAGES) != COCO_HUGEPAGES_NONE;
    /* Huge pages of a memfd need no mounted file system that QEMU's user can write to. */
    bool memfd = facts->spec->share != NULL || backing == COCO_BACKING_MEMFD ||
                 (huge && backing == COCO_BACKING_AUTO);
    bool locked = coco_vm_config_bool(config, COCO_KEY_MEMORY_LOCKED);
    bool prealloc = coco_vm_config_bool(config, COCO_KEY_MEMORY_PREALLOC);

    if (!memfd && !huge && !locked && !prealloc)
        return;
    coco_xml_open(w, "memoryBacking");
    write_hugepages(w, config);
    if (locked)
        coco_xml_leaf(w, "locked", NULL);
    if (memfd)
        coco_xml_leaf(w, "source", "type", "memfd", NULL);
    /* virtiofsd maps the guest's memory. */
    if (facts->spec->share != NULL)
        coco_xml_leaf(w, "access", "mode", "shared", NULL);
    if (prealloc)
        coco_xml_leaf(w, "allocation", "mode", "immediate", NULL);
    coco_xml_close(w);
}

/* libvirt takes EPC out of <memory>, so it comes on top; and it wants slots to put the sections in.
 */
static void
write_memory(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    CocoSgxEpcs epcs = { 0 };
    g_autofree char *total = NULL;
    g_autofree char *slots = NULL;

    (void) coco_sgx_epc_parse(config, &epcs, NULL);
    total = g_strdup_printf("%" G_GUINT64_FORMAT, facts->spec->memory_mib + epcs.total_mib);
    slots = g_strdup_printf("%zu", epcs.n);
    if (epcs.n > 0) {
        coco_xml_open(w, "maxMemory");
        coco_xml_attribute(w, "slots", slots);
        coco_xml_attribute(w, "unit", "MiB");
        coco_xml_string(w, total);
        coco_xml_close(w);
    }
    coco_xml_open(w, "memory");
    coco_xml_attribute(w, "unit", "MiB");
    coco_xml_string(w, total);
    coco_xml_close(w);
    write_backing(w, config, facts);
}

static void
write_epc(xmlTextWriter *w, const CocoVmConfig *config)
{
    CocoSgxEpcs epcs = { 0 };

    (void) coco_sgx_epc_parse(config, &epcs, NULL);
    for (size_t i = 0; i < epcs.n; i++) {
        g_autofree char *size = g_strdup_printf("%u", epcs.sections[i].size_mib);
        g_autofree char *node = g_strdup_printf("%u", epcs.sections[i].node);

        coco_xml_open(w, "memory");
        coco_xml_attribute(w, "model", "sgx-epc");
        coco_xml_open(w, "source");
        coco_xml_text(w, "nodemask", node);
        coco_xml_close(w);
        coco_xml_open(w, "target");
        coco_xml_open(w, "size");
        coco_xml_attribute(w, "unit", "MiB");
        coco_xml_string(w, size);
        coco_xml_close(w);
        coco_xml_close(w);
        coco_xml_close(w);
    }
}

/* Where the VM's own devices sit on the root bus. Left to itself libvirt would make a port for
 * each, which costs the guest's kernel time, or take the ports that are kept for interfaces. */
enum {
    SLOT_INITDATA = 0x04,
    SLOT_SHARE,
    SLOT_SERIAL,
    SLOT_VSOCK,
};

static bool
has_nic_ports(const CocoDomainFacts *facts)
{
    return facts->spec->nics.n > 0 && strcmp(coco_tee_of(facts->spec->config)->arch, "s390x") != 0;
}

static void
write_root_address(xmlTextWriter *w, const CocoDomainFacts *facts, unsigned int slot)
{
    g_autofree char *text = g_strdup_printf("0x%02x", slot);

    if (has_nic_ports(facts))
        coco_xml_leaf(w, "address", "type", "pci", "domain", "0x0000", "bus", "0x00", "slot", text,
                      "function", "0x0", NULL);
}

static void
write_share(xmlTextWriter *w, const CocoDomainFacts *facts)
{
    if (facts->spec->share == NULL)
        return;
    coco_xml_open(w, "filesystem");
    coco_xml_attribute(w, "type", "mount");
    coco_xml_attribute(w, "accessmode", "passthrough");
    coco_xml_leaf(w, "driver", "type", "virtiofs", NULL);
    coco_xml_leaf(w, "binary", "path", facts->virtiofsd, NULL);
    coco_xml_leaf(w, "source", "dir", facts->spec->share, NULL);
    coco_xml_leaf(w, "target", "dir", COCO_SHARE_TAG, NULL);
    write_root_address(w, facts, SLOT_SHARE);
    coco_xml_close(w);
}

static void
write_initdata(xmlTextWriter *w, const CocoDomainFacts *facts)
{
    if (facts->initdata_disk == NULL)
        return;
    coco_xml_open(w, "disk");
    coco_xml_attribute(w, "type", "file");
    coco_xml_attribute(w, "device", "disk");
    coco_xml_leaf(w, "driver", "name", "qemu", "type", "raw", NULL);
    coco_xml_leaf(w, "source", "file", facts->initdata_disk, NULL);
    coco_xml_leaf(w, "target", "dev", "vda", "bus", "virtio", NULL);
    coco_xml_leaf(w, "readonly", NULL);
    coco_xml_text(w, "serial", "initdata");
    write_root_address(w, facts, SLOT_INITDATA);
    coco_xml_close(w);
}

/* vdb, …, vdz, vdaa, …: vda is the disk with the initdata. The guest's kernel counts by itself. */
static char *
target_name(size_t i)
{
    GString *name = g_string_new(NULL);

    for (size_t rest = i + 2; rest > 0; rest = (rest - 1) / 26)
        g_string_prepend_c(name, (char) ('a' + (rest - 1) % 26));
    g_string_prepend(name, "vd");
    return g_string_free(name, FALSE);
}

/* How it gets to QEMU: disk-libvirt.h. */
static void
write_disk_source(xmlTextWriter *w, const CocoDomainFacts *facts, size_t i)
{
    const CocoVmDisk *disk = &facts->spec->disks.items[i];
    g_autofree char *name = coco_vm_disk_name(i);
    g_autofree char *node = g_strconcat(facts->run_dir, "/vm/disks/", name, NULL);

    if (disk->is_device)
        coco_xml_leaf(w, "source", "dev", node, NULL);
    else
        coco_xml_leaf(w, "source", "file", disk->path, "fdgroup", name, NULL);
}

static void
write_disk_address(xmlTextWriter *w, size_t i)
{
    unsigned int slot;
    unsigned int function;
    g_autofree char *slot_text = NULL;
    g_autofree char *function_text = NULL;

    coco_vm_disk_slot(i, &slot, &function);
    slot_text = g_strdup_printf("0x%02x", slot);
    function_text = g_strdup_printf("0x%x", function);
    coco_xml_leaf(w, "address", "type", "pci", "domain", "0x0000", "bus", "0x00", "slot", slot_text,
                  "function", function_text, function == 0 ? "multifunction" : NULL, "on", NULL);
}

static char *
shared_interrupt_alias(size_t i)
{
    return g_strdup_printf("ua-disk%zu", i);
}

/* libvirt has no word for it. */
static void
write_shared_interrupts(xmlTextWriter *w, const CocoVmDisks *disks)
{
    if (disks->n <= COCO_VM_DISKS_OWN_INTERRUPTS)
        return;
    coco_xml_open(w, "qemu:override");
    for (size_t i = COCO_VM_DISKS_OWN_INTERRUPTS; i < disks->n; i++) {
        g_autofree char *alias = shared_interrupt_alias(i);

        coco_xml_open(w, "qemu:device");
        coco_xml_attribute(w, "alias", alias);
        coco_xml_open(w, "qemu:frontend");
        coco_xml_leaf(w, "qemu:property", "name", "vectors", "type", "unsigned", "value", "0",
                      NULL);
        coco_xml_close(w);
        coco_xml_close(w);
    }
    coco_xml_close(w);
}

/* What the guest discards is freed on the host; what it flushes is on the host's disk. What fails
 * is told to the guest: QEMU's own way with a full disk is to stop the VM, and nobody would wake
 * it. */
static void
write_disk(xmlTextWriter *w, const CocoDomainFacts *facts, size_t i)
{
    const CocoVmDisk *disk = &facts->spec->disks.items[i];
    g_autofree char *name = coco_vm_disk_name(i);
    g_autofree char *target = target_name(i);

    coco_xml_open(w, "disk");
    coco_xml_attribute(w, "type", disk->is_device ? "block" : "file");
    coco_xml_attribute(w, "device", "disk");
    coco_xml_leaf(w, "driver", "name", "qemu", "type", "raw", "error_policy", "report",
                  disk->readonly ? NULL : "discard", "unmap", NULL);
    write_disk_source(w, facts, i);
    coco_xml_leaf(w, "target", "dev", target, "bus", "virtio", NULL);
    if (disk->readonly)
        coco_xml_leaf(w, "readonly", NULL);
    coco_xml_text(w, "serial", name);
    if (i >= COCO_VM_DISKS_OWN_INTERRUPTS) {
        g_autofree char *alias = shared_interrupt_alias(i);

        coco_xml_leaf(w, "alias", "name", alias, NULL);
    }
    write_disk_address(w, i);
    coco_xml_close(w);
}

/* QEMU connects to the logger, which listens before it starts: no byte of the boot is lost. */
static void
write_serial(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    static const struct {
        const char *arch;
        const char *type;
    } targets[] = { { "x86_64", "isa-serial" },
                    { "s390x", "sclp-serial" },
                    { "aarch64", "system-serial" } };
    g_autofree char *console = g_strconcat(facts->run_dir, "/console.sock", NULL);

    coco_xml_open(w, "serial");
    coco_xml_attribute(w, "type", "unix");
    coco_xml_leaf(w, "source", "mode", "connect", "path", console, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        if (strcmp(coco_tee_of(config)->arch, targets[i].arch) == 0)
            coco_xml_leaf(w, "target", "type", targets[i].type, "port", "0", NULL);
    }
    coco_xml_close(w);
}

static void
write_transport(xmlTextWriter *w, const CocoDomainFacts *facts)
{
    g_autofree char *path = g_strconcat(facts->run_dir, "/agent.sock", NULL);

    if (facts->spec->transport == COCO_TRANSPORT_VSOCK) {
        coco_xml_open(w, "vsock");
        coco_xml_attribute(w, "model", "virtio");
        coco_xml_leaf(w, "cid", "auto", "yes", NULL);
        write_root_address(w, facts, SLOT_VSOCK);
        coco_xml_close(w);
        return;
    }
    if (has_nic_ports(facts)) {
        coco_xml_open(w, "controller");
        coco_xml_attribute(w, "type", "virtio-serial");
        coco_xml_attribute(w, "index", "0");
        write_root_address(w, facts, SLOT_SERIAL);
        coco_xml_close(w);
    }
    coco_xml_open(w, "channel");
    coco_xml_attribute(w, "type", "unix");
    coco_xml_leaf(w, "source", "mode", "bind", "path", path, NULL);
    coco_xml_leaf(w, "target", "type", "virtio", "name", "coco.agent.0", NULL);
    coco_xml_close(w);
}

typedef struct {
    unsigned int bus;
    unsigned int slot;
    unsigned int function;
} BridgePlace;

static void
write_bridge(xmlTextWriter *w, unsigned int bus, const char *model, const char *alias,
             const BridgePlace *place)
{
    g_autofree char *index = g_strdup_printf("%u", bus);
    g_autofree char *on_bus_text = g_strdup_printf("0x%02x", place->bus);
    g_autofree char *slot_text = g_strdup_printf("0x%02x", place->slot);
    g_autofree char *function_text = g_strdup_printf("0x%x", place->function);
    bool first_of_several = place->slot == COCO_VM_NIC_PORT_SLOT && place->function == 0;

    coco_xml_open(w, "controller");
    coco_xml_attribute(w, "type", "pci");
    coco_xml_attribute(w, "index", index);
    coco_xml_attribute(w, "model", model);
    coco_xml_leaf(w, "alias", "name", alias, NULL);
    coco_xml_leaf(w, "address", "type", "pci", "domain", "0x0000", "bus", on_bus_text, "slot",
                  slot_text, "function", function_text, first_of_several ? "multifunction" : NULL,
                  "on", NULL);
    coco_xml_close(w);
}

static void
write_hotplug_bus(xmlTextWriter *w, const CocoDomainFacts *facts)
{
    if (!facts->spec->hotplug)
        return;
    write_bridge(w, 1, "pcie-root-port", COCO_HOTPLUG_BUS "-port",
                 &(BridgePlace){ .slot = COCO_HOTPLUG_PORT_SLOT });
    write_bridge(w, 2, "pcie-to-pci-bridge", COCO_HOTPLUG_BUS, &(BridgePlace){ .bus = 1 });
}

/* One port for each interface, which the worker plugs into it (nic-libvirt.h): functions of one
 * slot. */
static void
write_nic_ports(xmlTextWriter *w, const CocoDomainFacts *facts)
{
    unsigned int first_bus = facts->spec->hotplug ? 3 : 1;

    for (size_t i = 0; has_nic_ports(facts) && i < facts->spec->nics.n; i++) {
        g_autofree char *alias = coco_vm_nic_port(i);
        const BridgePlace place = { .slot = COCO_VM_NIC_PORT_SLOT, .function = (unsigned int) i };

        write_bridge(w, first_bus + (unsigned int) i, "pcie-root-port", alias, &place);
    }
}

static void
write_devices(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    coco_xml_open(w, "devices");
    coco_xml_text(w, "emulator", coco_vm_config_string(config, COCO_KEY_HOST_QEMU));
    coco_xml_leaf(w, "controller", "type", "usb", "model", "none", NULL);
    write_hotplug_bus(w, facts);
    write_nic_ports(w, facts);
    write_initdata(w, facts);
    for (size_t i = 0; i < facts->spec->disks.n; i++)
        write_disk(w, facts, i);
    write_share(w, facts);
    write_serial(w, config, facts);
    write_transport(w, facts);
    coco_xml_leaf(w, "memballoon", "model", "none", NULL);
    write_epc(w, config);
    coco_xml_close(w);
}

/*
 * Without this flag libvirt asks a started QEMU for its CPU in 2 questions instead of one for each
 * of some 370 features, a third of the start. The answer only matters to guests that migrate.
 */
static void
write_shortcut(xmlTextWriter *w)
{
    coco_xml_open(w, "qemu:capabilities");
    coco_xml_leaf(w, "qemu:del", "capability", "cpu-unavailable-features", NULL);
    coco_xml_close(w);
}

static void
write_domain(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);
    g_autofree char *vcpus = g_strdup_printf("%u", facts->spec->vcpus);

    coco_xml_open(w, "domain");
    coco_xml_attribute(w, "type", facts->spec->accel == COCO_ACCEL_KVM ? "kvm" : "qemu");
    coco_xml_attribute(w, "xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
    coco_xml_text(w, "name", "coco");
    write_memory(w, config, facts);
    coco_xml_text(w, "vcpu", vcpus);
    write_os(w, config, facts);
    if (strcmp(ops->arch, "s390x") != 0) {
        coco_xml_open(w, "features");
        coco_xml_leaf(w, "acpi", NULL);
        coco_xml_close(w);
    }
    write_cpu(w, config, facts->spec->accel);
    coco_xml_text(w, "on_poweroff", "destroy");
    coco_xml_text(w, "on_reboot", "destroy");
    coco_xml_text(w, "on_crash", "destroy");
    write_devices(w, config, facts);
    if (ops->write_security != NULL)
        ops->write_security(w, config, facts);
    write_shortcut(w);
    write_shared_interrupts(w, &facts->spec->disks);
    coco_xml_close(w);
}

char *
coco_domain_xml(const CocoDomainFacts *facts)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlTextWriter *w = xmlNewTextWriterMemory(buffer, 0);
    char *document;

    (void) xmlTextWriterSetIndent(w, 1);
    (void) xmlTextWriterSetIndentString(w, (const xmlChar *) "  ");
    write_domain(w, facts->spec->config, facts);
    (void) xmlTextWriterFlush(w);
    document = g_strdup((const char *) xmlBufferContent(buffer));
    xmlFreeTextWriter(w);
    xmlBufferFree(buffer);
    return document;
}

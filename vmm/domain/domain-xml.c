// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the domain XML (domain-xml.h).
 *
 * The machine is as small as libvirt lets it be: no video, no USB, no balloon. Every device costs
 * the firmware and the guest time, which under TCG is most of the boot.
 */
#include "vmm/domain/domain-xml.h"

#include "vmm/config/sgx-epc.h"
#include "vmm/config/vm-arch.h"
#include "vmm/domain/device-plan.h"
#include "vmm/tee/tee.h"
#include "vmm/xml/xml-writer.h"

/* The kernel's name of the console that write_serial() makes. */
static const char *
console_name(const CocoVmConfig *config)
{
    return coco_vm_arch(config) == COCO_ARCH_AARCH64 ? "ttyAMA0" : "ttyS0";
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
                    console_name(config));
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
    coco_xml_attribute(w, "arch", coco_arch_name(coco_vm_arch(config)));
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

static guint64
room_mib(const CocoVmSpec *spec)
{
    return spec->max_memory_mib > spec->memory_mib ? spec->max_memory_mib - spec->memory_mib : 0;
}

/* libvirt wants memory that comes later to have a node to come to. */
static void
write_node(xmlTextWriter *w, const CocoVmSpec *spec)
{
    g_autofree char *cpus = g_strdup_printf("0-%u", MAX(spec->vcpus, spec->max_vcpus) - 1);
    g_autofree char *memory = g_strdup_printf("%u", spec->memory_mib);

    if (room_mib(spec) == 0)
        return;
    coco_xml_open(w, "numa");
    coco_xml_leaf(w, "cell", "id", "0", "cpus", cpus, "memory", memory, "unit", "MiB", NULL);
    coco_xml_close(w);
}

static void
write_cpu(xmlTextWriter *w, const CocoVmConfig *config, const CocoVmSpec *spec)
{
    const char *model = coco_vm_config_string(config, COCO_KEY_VM_CPU);

    coco_xml_open(w, "cpu");
    if (model[0] == '\0') {
        coco_xml_attribute(w, "mode",
                           spec->accel == COCO_ACCEL_KVM ? "host-passthrough" : "maximum");
    } else {
        coco_xml_attribute(w, "mode", "custom");
        coco_xml_attribute(w, "match", "exact");
        coco_xml_attribute(w, "check", "none");
        coco_xml_text(w, "model", model);
    }
    write_node(w, spec);
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
    g_autofree char *most = NULL;
    guint64 room = room_mib(facts->spec);

    (void) coco_sgx_epc_parse(config, &epcs, NULL);
    total = g_strdup_printf("%" G_GUINT64_FORMAT, facts->spec->memory_mib + epcs.total_mib);
    if (epcs.n > 0 || room > 0) {
        slots = g_strdup_printf("%zu", epcs.n + (room > 0 ? 1 : 0));
        most =
            g_strdup_printf("%" G_GUINT64_FORMAT, facts->spec->memory_mib + epcs.total_mib + room);
        coco_xml_open(w, "maxMemory");
        coco_xml_attribute(w, "slots", slots);
        coco_xml_attribute(w, "unit", "MiB");
        coco_xml_string(w, most);
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

static void
write_place(xmlTextWriter *w, const CocoPlace *place)
{
    g_autofree char *bus = g_strdup_printf("0x%02x", place->bus);
    g_autofree char *slot = g_strdup_printf("0x%02x", place->slot);
    g_autofree char *function = g_strdup_printf("0x%x", place->function);
    g_autofree char *number = g_strdup_printf("0x%04x", place->number);

    if (place->is_ccw)
        coco_xml_leaf(w, "address", "type", "ccw", "cssid", "0xfe", "ssid", "0x0", "devno", number,
                      NULL);
    else
        coco_xml_leaf(w, "address", "type", "pci", "domain", "0x0000", "bus", bus, "slot", slot,
                      "function", function, place->multifunction ? "multifunction" : NULL, "on",
                      NULL);
}

static void
write_own_place(xmlTextWriter *w, const CocoDevicePlan *plan, CocoOwnDevice device)
{
    CocoPlace place;

    if (coco_device_plan_own(plan, device, &place))
        write_place(w, &place);
}

static void
write_share(xmlTextWriter *w, const CocoDomainFacts *facts, const CocoDevicePlan *plan)
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
    write_own_place(w, plan, COCO_OWN_SHARE);
    coco_xml_close(w);
}

static void
write_initdata(xmlTextWriter *w, const CocoDomainFacts *facts, const CocoDevicePlan *plan)
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
    write_own_place(w, plan, COCO_OWN_INITDATA);
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

static char *
shared_interrupt_alias(size_t i)
{
    return g_strdup_printf("ua-disk%zu", i);
}

/* libvirt has no word for it. */
static void
write_shared_interrupts(xmlTextWriter *w, const CocoVmSpec *spec)
{
    const CocoVmDisks *disks = &spec->disks;

    if (disks->n <= COCO_VM_DISKS_OWN_INTERRUPTS || coco_vm_arch(spec->config) == COCO_ARCH_S390X)
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
write_disk(xmlTextWriter *w, const CocoDomainFacts *facts, const CocoDevicePlan *plan, size_t i)
{
    const CocoPlace place = coco_device_plan_disk(plan, i);
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
    if (i >= COCO_VM_DISKS_OWN_INTERRUPTS && !place.is_ccw) {
        g_autofree char *alias = shared_interrupt_alias(i);

        coco_xml_leaf(w, "alias", "name", alias, NULL);
    }
    write_place(w, &place);
    coco_xml_close(w);
}

/* QEMU connects to the logger, which listens before it starts: no byte of the boot is lost. */
static void
write_serial(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    static const char *const targets[] = { [COCO_ARCH_X86_64] = "isa-serial",
                                           [COCO_ARCH_AARCH64] = "system-serial",
                                           [COCO_ARCH_S390X] = "sclp-serial" };
    g_autofree char *console = g_strconcat(facts->run_dir, "/console.sock", NULL);

    coco_xml_open(w, "serial");
    coco_xml_attribute(w, "type", "unix");
    coco_xml_leaf(w, "source", "mode", "connect", "path", console, NULL);
    coco_xml_leaf(w, "target", "type", targets[coco_vm_arch(config)], "port", "0", NULL);
    coco_xml_close(w);
}

static void
write_transport(xmlTextWriter *w, const CocoDomainFacts *facts, const CocoDevicePlan *plan)
{
    g_autofree char *path = g_strconcat(facts->run_dir, "/agent.sock", NULL);

    if (facts->spec->transport == COCO_TRANSPORT_VSOCK) {
        coco_xml_open(w, "vsock");
        coco_xml_attribute(w, "model", "virtio");
        coco_xml_leaf(w, "cid", "auto", "yes", NULL);
        write_own_place(w, plan, COCO_OWN_VSOCK);
        coco_xml_close(w);
        return;
    }
    if (coco_vm_arch(facts->spec->config) != COCO_ARCH_S390X) {
        coco_xml_open(w, "controller");
        coco_xml_attribute(w, "type", "virtio-serial");
        coco_xml_attribute(w, "index", "0");
        write_own_place(w, plan, COCO_OWN_SERIAL);
        coco_xml_close(w);
    }
    coco_xml_open(w, "channel");
    coco_xml_attribute(w, "type", "unix");
    coco_xml_leaf(w, "source", "mode", "bind", "path", path, NULL);
    coco_xml_leaf(w, "target", "type", "virtio", "name", "coco.agent.0", NULL);
    coco_xml_close(w);
}

static void
write_bridges(xmlTextWriter *w, const CocoDevicePlan *plan)
{
    size_t n;
    const CocoBridge *bridges = coco_device_plan_bridges(plan, &n);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *index = g_strdup_printf("%u", bridges[i].bus);

        coco_xml_open(w, "controller");
        coco_xml_attribute(w, "type", "pci");
        coco_xml_attribute(w, "index", index);
        coco_xml_attribute(w, "model", bridges[i].model);
        coco_xml_leaf(w, "alias", "name", bridges[i].alias, NULL);
        write_place(w, &bridges[i].place);
        coco_xml_close(w);
    }
}

static void
write_devices(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    g_autoptr(CocoDevicePlan) plan = coco_device_plan_new(facts->spec);

    coco_xml_open(w, "devices");
    coco_xml_text(w, "emulator", coco_vm_config_string(config, COCO_KEY_HOST_QEMU));
    coco_xml_leaf(w, "controller", "type", "usb", "model", "none", NULL);
    write_bridges(w, plan);
    write_initdata(w, facts, plan);
    for (size_t i = 0; i < facts->spec->disks.n; i++)
        write_disk(w, facts, plan, i);
    write_share(w, facts, plan);
    write_serial(w, config, facts);
    write_transport(w, facts, plan);
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
write_vcpus(xmlTextWriter *w, const CocoVmSpec *spec)
{
    bool room = spec->max_vcpus > spec->vcpus;
    g_autofree char *now = g_strdup_printf("%u", spec->vcpus);
    g_autofree char *most = g_strdup_printf("%u", room ? spec->max_vcpus : spec->vcpus);

    coco_xml_open(w, "vcpu");
    if (room)
        coco_xml_attribute(w, "current", now);
    coco_xml_string(w, most);
    coco_xml_close(w);
}

/* An Arm guest without firmware gets a device tree. */
static bool
has_acpi(const CocoVmConfig *config)
{
    CocoArch arch = coco_vm_arch(config);

    return arch == COCO_ARCH_X86_64 ||
           (arch == COCO_ARCH_AARCH64 &&
            coco_vm_config_string(config, COCO_KEY_GUEST_FIRMWARE)[0] != '\0');
}

static void
write_domain(xmlTextWriter *w, const CocoVmConfig *config, const CocoDomainFacts *facts)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);

    coco_xml_open(w, "domain");
    coco_xml_attribute(w, "type", facts->spec->accel == COCO_ACCEL_KVM ? "kvm" : "qemu");
    coco_xml_attribute(w, "xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
    coco_xml_text(w, "name", "coco");
    write_memory(w, config, facts);
    write_vcpus(w, facts->spec);
    write_os(w, config, facts);
    if (has_acpi(config)) {
        coco_xml_open(w, "features");
        coco_xml_leaf(w, "acpi", NULL);
        coco_xml_close(w);
    }
    write_cpu(w, config, facts->spec);
    coco_xml_text(w, "on_poweroff", "destroy");
    coco_xml_text(w, "on_reboot", "destroy");
    coco_xml_text(w, "on_crash", "destroy");
    write_devices(w, config, facts);
    if (ops->write_security != NULL)
        ops->write_security(w, config, facts);
    write_shortcut(w);
    write_shared_interrupts(w, facts->spec);
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

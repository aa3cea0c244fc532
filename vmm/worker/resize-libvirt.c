// SPDX-License-Identifier: Apache-2.0
/*
 * libvirt for CPUs, QMP for memory (resize-libvirt.h): libvirt would have its own device, which a
 * launch without one does not know, and no words for what the other devices are given by.
 */
#include "vmm/worker/resize-libvirt.h"

#include <stdlib.h>

#include <libvirt/libvirt-qemu.h>

#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"
#include "vmm/domain/device-plan.h"
#include "vmm/worker/libvirt-error.h"
#include "vmm/worker/qmp-libvirt.h"

#define MEMORY "coco-memory"
#define PATH "/machine/peripheral/" MEMORY
#define ASK                                                                                        \
    "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"" PATH                                     \
    "\",\"property\":\"requested-size\"}}"

/* virtio-mem's, with pages of the usual size. */
#define BLOCK_MIB 2u

/* Takes the arguments. */
static bool
execute(virDomain *domain, const char *what, const char *name, json_object *arguments,
        GError **error)
{
    g_autoptr(json_object) command = json_object_new_object();

    coco_json_add_string(command, "execute", name);
    (void) json_object_object_add(command, "arguments", arguments);
    return coco_qmp_command(
        domain, what, json_object_to_json_string_ext(command, JSON_C_TO_STRING_PLAIN), -1, error);
}

static gint64
bytes_of(unsigned int mib)
{
    return (gint64) mib << 20;
}

/* libvirt's is shared with virtiofsd where there is one, and so must this be; it is as large as the
 * VM may grow and takes what the guest uses. */
static bool
add_backing(virDomain *domain, const CocoVmSpec *spec, GError **error)
{
    unsigned int mib = (spec->max_memory_mib - spec->memory_mib) / BLOCK_MIB * BLOCK_MIB;
    bool shared =
        spec->share != NULL ||
        coco_vm_config_choice(spec->config, COCO_KEY_MEMORY_BACKING) == COCO_BACKING_MEMFD;
    json_object *arguments = json_object_new_object();

    coco_json_add_string(arguments, "qom-type",
                         shared ? "memory-backend-memfd" : "memory-backend-ram");
    coco_json_add_string(arguments, "id", MEMORY);
    coco_json_add_int(arguments, "size", bytes_of(mib));
    (void) json_object_object_add(arguments, "share", json_object_new_boolean(shared));
    (void) json_object_object_add(arguments, "reserve", json_object_new_boolean(false));
    return execute(domain, "make room for memory", "object-add", arguments, error);
}

static void
remove_backing(virDomain *domain)
{
    json_object *arguments = json_object_new_object();

    coco_json_add_string(arguments, "id", MEMORY);
    (void) execute(domain, "", "object-del", arguments, NULL);
}

static bool
add_memory(virDomain *domain, const CocoVmSpec *spec, unsigned int mib, GError **error)
{
    g_autoptr(CocoDevicePlan) plan = coco_device_plan_new(spec);
    CocoPlace place = coco_device_plan_memory(plan);
    g_autofree char *bus = coco_device_plan_qemu_bus(plan, &place);
    g_autofree char *address = coco_device_plan_qemu_address(&place);
    json_object *arguments;

    if (!add_backing(domain, spec, error))
        return false;
    arguments = json_object_new_object();
    coco_json_add_string(arguments, "driver", "virtio-mem-pci");
    coco_json_add_string(arguments, "id", MEMORY);
    coco_json_add_string(arguments, "memdev", MEMORY);
    coco_json_add_string(arguments, "bus", bus);
    coco_json_add_string(arguments, "addr", address);
    coco_json_add_int(arguments, "requested-size", bytes_of(mib));
    if (execute(domain, "plug in memory", "device_add", arguments, error))
        return true;
    remove_backing(domain);
    return false;
}

/* What the device was asked for, in bytes; -1: there is none. */
static gint64
requested(virDomain *domain)
{
    char *reply = NULL;
    g_autoptr(json_object) object = NULL;
    gint64 bytes = -1;

    if (virDomainQemuMonitorCommand(domain, ASK, &reply, 0) < 0)
        return -1;
    object = json_tokener_parse(reply);
    free(reply);
    if (json_object_is_type(object, json_type_object) &&
        json_object_object_get_ex(object, "return", NULL))
        bytes = coco_json_int(object, "return");
    return bytes;
}

static bool
request(virDomain *domain, gint64 bytes, GError **error)
{
    json_object *arguments = json_object_new_object();

    coco_json_add_string(arguments, "path", PATH);
    coco_json_add_string(arguments, "property", "requested-size");
    coco_json_add_int(arguments, "value", bytes);
    return execute(domain, "change the memory of the VM", "qom-set", arguments, error);
}

static bool
set_memory(virDomain *domain, const CocoVmSpec *spec, unsigned int memory_mib, GError **error)
{
    unsigned int mib = (memory_mib - spec->memory_mib) / BLOCK_MIB * BLOCK_MIB;

    if (requested(domain) >= 0)
        return request(domain, bytes_of(mib), error);
    return mib == 0 || add_memory(domain, spec, mib, error);
}

/* QEMU that emulates a CPU forgets to tell its memory that the CPU is gone, and dies of the next
 * change of memory (seen with 7.2). */
static bool
set_vcpus(virDomain *domain, const CocoVmSpec *spec, unsigned int n, GError **error)
{
    int now = virDomainGetVcpusFlags(domain, VIR_DOMAIN_VCPU_LIVE);

    if (now < 0)
        return coco_libvirt_error(error, "ask for the CPUs of the VM");
    if ((int) n == now)
        return true;
    if ((int) n < now && spec->accel == COCO_ACCEL_TCG)
        return coco_vmm_failed(error,
                               "resize the VM: it has %d CPUs, and none can be taken from "
                               "it where they are emulated",
                               now);
    return virDomainSetVcpusFlags(domain, n, VIR_DOMAIN_VCPU_LIVE) == 0 ||
           coco_libvirt_error(error, "change the CPUs of the VM");
}

/* Memory first: it is given back by a number, and a guest may keep a CPU. */
bool
coco_resize(virDomain *domain, const CocoWorkerJob *job, GError **error)
{
    gint64 before = MAX(requested(domain), 0);

    if (job->size.memory_mib > 0 && !set_memory(domain, job->spec, job->size.memory_mib, error))
        return false;
    if (job->size.vcpus == 0 || set_vcpus(domain, job->spec, job->size.vcpus, error))
        return true;
    if (job->size.memory_mib > 0 && requested(domain) >= 0)
        (void) request(domain, before, NULL);
    return false;
}

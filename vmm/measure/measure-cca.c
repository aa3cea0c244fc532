// SPDX-License-Identifier: Apache-2.0
/*
 * Arm CCA: the realm initial measurement (RIM), a chain with a link for each call of the VMM to the
 * RMM, in the order create, RAM, data by address, vCPU.
 *
 * Where things are in memory is that of QEMU's virt machine with the patches for realms: without a
 * firmware, kernel and initrd are in the RIM; with one they come later and only it is. The device
 * tree is the VMM's own work and must be given. Only the first vCPU is runnable, the others are not
 * measured.
 */
#include "vmm/measure/per-tee.h"

#include "vmm/config/vmm-error.h"
#include "vmm/measure/digest.h"
#include "vmm/measure/measure.h"
#include "vmm/measure/realm-chain.h"

#define MIB (1ull << 20)
#define RAM_BASE (1ull << 30)
#define MAX_RAM (16ull << 40)
#define INITRD_OFFSET (128 * MIB)
#define DTB_ALIGN (2 * MIB)
#define IMAGE_HEADER_BYTES 64u
#define IMAGE_TEXT_OFFSET 8u
#define IMAGE_SIZE 16u
#define IMAGE_MAGIC 56u

static uint64_t
align_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static bool
in_ram(const CocoMeasureCca *cca, uint64_t gpa, const GBytes *bytes)
{
    return gpa >= RAM_BASE && coco_within(cca->ram_bytes, gpa - RAM_BASE,
                                          g_bytes_get_size((GBytes *) (uintptr_t) bytes));
}

static bool
add_blob(CocoRealmChain *chain, const char *label, uint64_t gpa, GBytes *bytes, GError **error)
{
    size_t len = 0;
    const uint8_t *data = g_bytes_get_data(bytes, &len);

    return coco_realm_chain_add_data(chain, label, gpa, data, len, error);
}

/* Where the kernel begins and ends, by the header of an arm64 Image. */
static bool
place_kernel(GBytes *kernel, uint64_t *out_start, uint64_t *out_end, GError **error)
{
    size_t len = 0;
    const uint8_t *image = g_bytes_get_data(kernel, &len);
    uint64_t offset;
    uint64_t size;

    if (len < IMAGE_HEADER_BYTES || memcmp(image + IMAGE_MAGIC, "ARM\x64", 4) != 0)
        return coco_vmm_bad_config(error, "kernel: it is no arm64 Image (uncompressed)");
    offset = coco_le64(image + IMAGE_TEXT_OFFSET);
    size = coco_le64(image + IMAGE_SIZE);
    if (offset % COCO_PAGE_BYTES != 0 || offset > COCO_MEASURE_MAX_BLOB ||
        size > COCO_MEASURE_MAX_BLOB || size < len)
        return coco_vmm_bad_config(
            error, "kernel: its arm64 header says it is loaded at no page, or has a size that "
                   "cannot be");
    *out_start = RAM_BASE + offset;
    *out_end = *out_start + size;
    return true;
}

static bool
add_direct(CocoRealmChain *chain, const CocoMeasureInput *input, uint64_t *out_dtb, GError **error)
{
    uint64_t kernel = 0;
    uint64_t initrd = 0;
    uint64_t end = 0;

    if (!place_kernel(input->kernel, &kernel, &end, error))
        return false;
    initrd = align_up(MAX(RAM_BASE + MIN(input->cca.ram_bytes / 2, INITRD_OFFSET), end),
                      COCO_PAGE_BYTES);
    *out_dtb =
        align_up(initrd + (input->initrd != NULL ? g_bytes_get_size(input->initrd) : 0), DTB_ALIGN);
    if (!in_ram(&input->cca, kernel, input->kernel) ||
        !in_ram(&input->cca, *out_dtb, input->cca.dtb))
        return coco_vmm_bad_config(error,
                                   "kernel, initrd and dtb do not fit into the RAM of the realm");
    return add_blob(chain, "kernel", kernel, input->kernel, error) &&
           (input->initrd == NULL || add_blob(chain, "initrd", initrd, input->initrd, error)) &&
           add_blob(chain, "device tree", *out_dtb, input->cca.dtb, error);
}

static bool
add_firmware(CocoRealmChain *chain, const CocoMeasureInput *input, GError **error)
{
    if (g_bytes_get_size(input->firmware) > COCO_MEASURE_MAX_FIRMWARE)
        return coco_vmm_bad_config(error, "firmware: it is larger than the limit of 64 MiB");
    if (!in_ram(&input->cca, RAM_BASE, input->cca.dtb))
        return coco_vmm_bad_config(error, "dtb: it does not fit into the RAM of the realm");
    return add_blob(chain, "firmware", 0, input->firmware, error) &&
           add_blob(chain, "device tree", RAM_BASE, input->cca.dtb, error);
}

static bool
check(const CocoMeasureInput *input, GError **error)
{
    const CocoMeasureCca *cca = &input->cca;

    if (input->firmware == NULL && input->kernel == NULL)
        return coco_measure_lacks(input, "a firmware or a kernel", error);
    if (cca->dtb == NULL)
        return coco_measure_lacks(input, "the device tree that the VMM generates (dtb)", error);
    if (cca->ram_bytes == 0 || cca->ram_bytes % MIB != 0 || cca->ram_bytes > MAX_RAM)
        return coco_vmm_bad_config(error,
                                   "the RAM of the realm is not 1 MiB to 16 TiB in whole MiB");
    if (cca->ipa_bits < 32 || cca->ipa_bits > 52 ||
        RAM_BASE + cca->ram_bytes > 1ull << cca->ipa_bits)
        return coco_vmm_bad_config(
            error, "the address space of the realm is not of 32 to 52 bits, or smaller than "
                   "its RAM");
    if (cca->breakpoints < 2 || cca->breakpoints > 64 || cca->watchpoints < 2 ||
        cca->watchpoints > 64 || cca->sve_bits > 2048 || cca->sve_bits % 128 != 0 ||
        cca->pmu_counters > 31)
        return coco_vmm_bad_config(
            error, "breakpoints and watchpoints are not 2 to 64, the SVE vector length not "
                   "128 to 2048 bits, or the PMU counters more than 31");
    return true;
}

bool
coco_measure_cca(const CocoMeasureInput *input, const CocoMeasureTrace *trace, CocoMeasurement *out,
                 GError **error)
{
    g_autoptr(CocoRealmChain) chain = NULL;
    bool direct = input->firmware == NULL;
    uint64_t dtb = 0;

    if (!check(input, error))
        return false;
    chain = coco_realm_chain_new(&input->cca, trace, error);
    if (chain == NULL ||
        !coco_realm_chain_add_ram(chain, RAM_BASE, RAM_BASE + input->cca.ram_bytes, error) ||
        !(direct ? add_direct(chain, input, &dtb, error) : add_firmware(chain, input, error)) ||
        !coco_realm_chain_add_vcpu(chain, direct ? RAM_BASE : 0, dtb, error))
        return false;
    coco_realm_chain_value(chain, &out->rim);
    coco_measure_fit(input->initdata_digest, input->initdata_digest_len, COCO_RPV_BYTES, &out->rpv);
    coco_measure_state(
        out, "rim",
        "for QEMU's virt machine without a measurement log; the command line is in the "
        "device tree; rem0 to rem3 are zero when the realm starts");
    if (!direct && input->kernel != NULL)
        coco_measure_state(out, "kernel", "not in the RIM: the firmware loads it later");
    return true;
}

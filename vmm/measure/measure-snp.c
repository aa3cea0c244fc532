// SPDX-License-Identifier: Apache-2.0
/*
 * SEV-SNP: a chain with a link for each 4 KiB page that the host adds before the start, in QEMU's
 * order: the firmware, the sections that its metadata names, the VMSA of each vCPU.
 */
#include "vmm/measure/per-tee.h"

#include "vmm/config/vmm-error.h"
#include "vmm/measure/digest.h"
#include "vmm/measure/measure.h"
#include "vmm/measure/sev-hashes.h"
#include "vmm/measure/vmsa.h"

/* PAGE_INFO of the SEV-SNP ABI: digest so far, digest of the contents, length, type, permissions of
 * the lower privilege levels, address. */
#define PAGE_INFO_BYTES 0x70
#define PAGE_INFO_CONTENTS 48
#define PAGE_INFO_LENGTH 96
#define PAGE_INFO_TYPE 98
#define PAGE_INFO_GPA 104
#define SNP_DIGEST_BYTES 48u
#define VMSA_GPA 0xfffffffff000ull

typedef enum {
    PAGE_NORMAL = 1,
    PAGE_VMSA = 2,
    PAGE_ZERO = 3,
    PAGE_SECRETS = 5,
    PAGE_CPUID = 6,
} PageType;

typedef struct {
    CocoHash *hash;
    CocoDigest digest;
    const CocoMeasureTrace *trace;
} Chain;

static bool
add_page(Chain *chain, PageType type, uint64_t gpa, const uint8_t *contents, GError **error)
{
    uint8_t info[PAGE_INFO_BYTES] = { 0 };
    CocoDigest digest = { 0 };

    if (contents != NULL && !coco_hash_once(chain->hash, contents, COCO_PAGE_BYTES, &digest, error))
        return false;
    memcpy(info, chain->digest.bytes, SNP_DIGEST_BYTES);
    memcpy(info + PAGE_INFO_CONTENTS, digest.bytes, SNP_DIGEST_BYTES);
    coco_put_le16(info + PAGE_INFO_LENGTH, PAGE_INFO_BYTES);
    info[PAGE_INFO_TYPE] = (uint8_t) type;
    coco_put_le64(info + PAGE_INFO_GPA, gpa);
    return coco_hash_once(chain->hash, info, sizeof info, &chain->digest, error);
}

/* contents is nullable: then every page of the type has none. */
static bool
add_pages(Chain *chain, const char *label, PageType type, uint64_t gpa, const uint8_t *contents,
          uint64_t len, GError **error)
{
    for (uint64_t at = 0; at < len; at += COCO_PAGE_BYTES) {
        if (!add_page(chain, type, gpa + at, contents != NULL ? contents + at : NULL, error))
            return false;
    }
    coco_measure_tell(chain->trace, "launch_digest", label, gpa, len, NULL, &chain->digest);
    return true;
}

static bool
add_hashes(Chain *chain, const CocoFirmware *firmware, const CocoSevSection *section,
           const CocoMeasurement *out, GError **error)
{
    uint8_t page[COCO_PAGE_BYTES] = { 0 };
    uint32_t gpa = 0;

    if (!coco_sev_hashes_find(firmware, &gpa, error))
        return false;
    /* The table is written where the firmware looks for it, and the section is what is measured. */
    if (section->len != COCO_PAGE_BYTES || gpa < section->gpa ||
        !coco_within(section->len, gpa - section->gpa, COCO_SEV_HASHES_BYTES))
        return coco_vmm_bad_config(
            error,
            "firmware: its SEV hashes table (0x%x) is not within the one page for kernel "
            "hashes (0x%" PRIx64 ", 0x%" PRIx64 ")",
            gpa, section->gpa, section->len);
    return coco_sev_hashes_fill(out, page + gpa % COCO_PAGE_BYTES, error) &&
           add_pages(chain, "hashes of kernel, initrd, cmdline", PAGE_NORMAL, section->gpa, page,
                     sizeof page, error);
}

static bool
add_section(Chain *chain, const CocoFirmware *firmware, const CocoSevSection *section,
            bool with_hashes, const CocoMeasurement *out, GError **error)
{
    g_autofree char *label = NULL;

    switch (section->type) {
    case COCO_SEV_SECTION_MEMORY:
        return add_pages(chain, "memory", PAGE_ZERO, section->gpa, NULL, section->len, error);
    case COCO_SEV_SECTION_SECRETS:
        return add_pages(chain, "secrets page", PAGE_SECRETS, section->gpa, NULL, section->len,
                         error);
    case COCO_SEV_SECTION_CPUID:
        return add_pages(chain, "CPUID page", PAGE_CPUID, section->gpa, NULL, section->len, error);
    case COCO_SEV_SECTION_SVSM_CAA:
        return add_pages(chain, "SVSM call area", PAGE_ZERO, section->gpa, NULL, section->len,
                         error);
    case COCO_SEV_SECTION_KERNEL_HASHES:
        if (with_hashes)
            return add_hashes(chain, firmware, section, out, error);
        return add_pages(chain, "kernel hashes, unused", PAGE_ZERO, section->gpa, NULL,
                         section->len, error);
    default: /* QEMU does the same with what it does not know */
        label = g_strdup_printf("section of type %u", section->type);
        return add_pages(chain, label, PAGE_ZERO, section->gpa, NULL, section->len, error);
    }
}

static bool
add_sections(Chain *chain, const CocoFirmware *firmware, bool with_hashes, CocoMeasurement *out,
             GError **error)
{
    CocoSevSection sections[COCO_FIRMWARE_MAX_SECTIONS];
    bool hashed = false;
    bool empty = false;
    size_t n = 0;

    if (!coco_firmware_sev_sections(firmware, sections, &n, error))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!add_section(chain, firmware, &sections[i], with_hashes, out, error))
            return false;
        hashed = hashed || sections[i].type == COCO_SEV_SECTION_KERNEL_HASHES;
        empty = empty || sections[i].len == 0;
    }
    if (with_hashes && !hashed)
        return coco_vmm_bad_config(
            error, "firmware: its SEV metadata has no section for kernel hashes; it cannot "
                   "measure the kernel that is given");
    if (empty)
        coco_measure_state(out, "launch_digest",
                           "the firmware's SEV metadata has a section without a page: QEMU refuses "
                           "to start an SNP guest with it");
    return true;
}

static bool
add_vcpus(Chain *chain, const CocoFirmware *firmware, const CocoMeasureInput *input, GError **error)
{
    CocoVmsa vmsa = { .features = input->vmsa_features_given ? input->vmsa_features
                                                             : COCO_SNP_VMSA_FEATURES,
                      .fpu = true };
    uint8_t page[COCO_PAGE_BYTES];
    uint32_t ap_eip = 0;

    if (!coco_cpu_signature(input->cpu_model, &vmsa.cpu_signature, error) ||
        (input->vcpus > 1 && !coco_firmware_reset_eip(firmware, &ap_eip, error)))
        return false;
    for (unsigned int i = 0; i < input->vcpus; i++) {
        g_autofree char *label = g_strdup_printf("VMSA of vCPU %u", i);

        vmsa.eip = i == 0 ? COCO_VMSA_BSP_EIP : ap_eip;
        coco_vmsa_fill(&vmsa, page);
        if (!add_pages(chain, label, PAGE_VMSA, VMSA_GPA, page, sizeof page, error))
            return false;
    }
    return true;
}

bool
coco_measure_snp(const CocoMeasureInput *input, const CocoMeasureTrace *trace, CocoMeasurement *out,
                 GError **error)
{
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA384, error);
    Chain chain = { .hash = hash, .digest.len = SNP_DIGEST_BYTES, .trace = trace };
    bool with_hashes = input->kernel != NULL && !input->no_kernel_hashes;
    CocoFirmware firmware;

    if (input->firmware == NULL)
        return coco_measure_lacks(input, "a firmware", error);
    if (input->cpu_model == NULL)
        return coco_measure_lacks(input, "a CPU model", error);
    if (hash == NULL || !coco_firmware_open(input->firmware, &firmware, error))
        return false;
    if (firmware.len % COCO_PAGE_BYTES != 0)
        return coco_vmm_bad_config(error, "firmware: %zu bytes are not whole pages of %u",
                                   firmware.len, COCO_PAGE_BYTES);
    if (!add_pages(&chain, "firmware", PAGE_NORMAL, coco_firmware_gpa(&firmware), firmware.data,
                   firmware.len, error))
        return false;
    out->firmware_digest = chain.digest;
    if (with_hashes)
        coco_measure_kernel_check(&firmware, out);
    if (!add_sections(&chain, &firmware, with_hashes, out, error) ||
        !add_vcpus(&chain, &firmware, input, error))
        return false;
    out->launch_digest = chain.digest;
    coco_measure_fit(input->initdata_digest, input->initdata_digest_len, COCO_HOST_DATA_BYTES,
                     &out->host_data);
    return true;
}

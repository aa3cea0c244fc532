// SPDX-License-Identifier: Apache-2.0
/*
 * The descriptors that the RMM hashes, one by one (realm-chain.h). Digests sit in slots of 64
 * bytes, filled up with zeros.
 */
#include "vmm/measure/realm-chain.h"

#include "vmm/measure/bytes.h"
#include "vmm/measure/firmware.h"

#define PARAMS_BYTES 0x1000
#define PARAMS_IPA_BITS 0x08
#define PARAMS_SVE_VL 0x10
#define PARAMS_BREAKPOINTS 0x18
#define PARAMS_WATCHPOINTS 0x20
#define PARAMS_PMU 0x28
#define PARAMS_HASH 0x30
#define FLAG_LPA2 (1u << 0)
#define FLAG_SVE (1u << 1)
#define FLAG_PMU (1u << 2)

#define DESCRIPTOR_BYTES 0x100
#define DESCRIPTOR_LEN 0x08
#define DESCRIPTOR_RIM 0x10
#define RIPAS_BASE 0x50
#define RIPAS_TOP 0x58
#define DATA_IPA 0x50
#define DATA_FLAGS 0x58
#define DATA_CONTENT 0x60
#define REC_CONTENT 0x50

#define REC_BYTES 0x1000
#define REC_PC 0x200
#define REC_GPRS 0x300

#define BITS_OF_PAGE 12u
#define BITS_OF_LEVEL 9u
#define BITS_OF_CONCATENATION 4u /* up to 16 tables side by side instead of one more level */

typedef enum {
    DESCRIPTOR_DATA,
    DESCRIPTOR_REC,
    DESCRIPTOR_RIPAS,
} DescriptorType;

struct _CocoRealmChain {
    CocoHash *hash;
    CocoDigest rim;
    unsigned int top_block_bits; /* the largest block of the translation table */
    const CocoMeasureTrace *trace;
};

/* Blocks exist at each level of the table but those above its start. */
static unsigned int
largest_block(unsigned int ipa_bits)
{
    unsigned int bits = BITS_OF_PAGE;

    while (bits + BITS_OF_LEVEL + BITS_OF_CONCATENATION < ipa_bits)
        bits += BITS_OF_LEVEL;
    return bits;
}

static void
tell(const CocoRealmChain *chain, const char *label, uint64_t gpa, uint64_t bytes)
{
    coco_measure_tell(chain->trace, "rim", label, gpa, bytes, NULL, &chain->rim);
}

CocoRealmChain *
coco_realm_chain_new(const CocoMeasureCca *cca, const CocoMeasureTrace *trace, GError **error)
{
    g_autoptr(CocoRealmChain) chain = g_new0(CocoRealmChain, 1);
    uint8_t params[PARAMS_BYTES] = { 0 };

    chain->hash = coco_hash_new(cca->sha512 ? COCO_HASH_SHA512 : COCO_HASH_SHA256, error);
    if (chain->hash == NULL)
        return NULL;
    chain->trace = trace;
    chain->top_block_bits = largest_block(cca->ipa_bits);
    params[0] = (uint8_t) ((cca->lpa2 ? FLAG_LPA2 : 0) | (cca->sve_bits > 0 ? FLAG_SVE : 0) |
                           (cca->pmu_counters > 0 ? FLAG_PMU : 0));
    params[PARAMS_IPA_BITS] = (uint8_t) cca->ipa_bits;
    params[PARAMS_SVE_VL] = (uint8_t) (cca->sve_bits > 0 ? cca->sve_bits / 128 - 1 : 0);
    params[PARAMS_BREAKPOINTS] = (uint8_t) (cca->breakpoints - 1);
    params[PARAMS_WATCHPOINTS] = (uint8_t) (cca->watchpoints - 1);
    params[PARAMS_PMU] = (uint8_t) cca->pmu_counters;
    params[PARAMS_HASH] = cca->sha512 ? 1 : 0;
    if (!coco_hash_once(chain->hash, params, sizeof params, &chain->rim, error))
        return NULL;
    tell(chain, "realm parameters", UINT64_MAX, sizeof params);
    return g_steal_pointer(&chain);
}

void
coco_realm_chain_free(CocoRealmChain *chain)
{
    if (chain == NULL)
        return;
    coco_hash_free(chain->hash);
    g_free(chain);
}

/* Completes a descriptor and makes it the next link. */
static bool
add_descriptor(CocoRealmChain *chain, DescriptorType type, uint8_t *descriptor, GError **error)
{
    descriptor[0] = (uint8_t) type;
    coco_put_le64(descriptor + DESCRIPTOR_LEN, DESCRIPTOR_BYTES);
    memcpy(descriptor + DESCRIPTOR_RIM, chain->rim.bytes, chain->rim.len);
    return coco_hash_once(chain->hash, descriptor, DESCRIPTOR_BYTES, &chain->rim, error);
}

bool
coco_realm_chain_add_ram(CocoRealmChain *chain, uint64_t base, uint64_t top, GError **error)
{
    for (uint64_t at = base; at < top;) {
        uint8_t descriptor[DESCRIPTOR_BYTES] = { 0 };
        unsigned int bits = chain->top_block_bits;

        while (bits > BITS_OF_PAGE && (at % (1ull << bits) != 0 || top - at < 1ull << bits))
            bits -= BITS_OF_LEVEL;
        coco_put_le64(descriptor + RIPAS_BASE, at);
        at += 1ull << bits;
        coco_put_le64(descriptor + RIPAS_TOP, at);
        if (!add_descriptor(chain, DESCRIPTOR_RIPAS, descriptor, error))
            return false;
    }
    tell(chain, "RAM", base, top - base);
    return true;
}

bool
coco_realm_chain_add_data(CocoRealmChain *chain, const char *label, uint64_t gpa,
                          const uint8_t *data, size_t len, GError **error)
{
    for (size_t at = 0; at < len; at += COCO_PAGE_BYTES) {
        uint8_t descriptor[DESCRIPTOR_BYTES] = { 0 };
        uint8_t page[COCO_PAGE_BYTES] = { 0 };
        CocoDigest content = { 0 };

        memcpy(page, data + at, MIN(len - at, sizeof page));
        if (!coco_hash_once(chain->hash, page, sizeof page, &content, error))
            return false;
        coco_put_le64(descriptor + DATA_IPA, gpa + at);
        descriptor[DATA_FLAGS] = 1; /* the content is measured */
        memcpy(descriptor + DATA_CONTENT, content.bytes, content.len);
        if (!add_descriptor(chain, DESCRIPTOR_DATA, descriptor, error))
            return false;
    }
    tell(chain, label, gpa, len);
    return true;
}

bool
coco_realm_chain_add_vcpu(CocoRealmChain *chain, uint64_t pc, uint64_t x0, GError **error)
{
    uint8_t descriptor[DESCRIPTOR_BYTES] = { 0 };
    uint8_t rec[REC_BYTES] = { 0 };
    CocoDigest content = { 0 };

    rec[0] = 1; /* runnable */
    coco_put_le64(rec + REC_PC, pc);
    coco_put_le64(rec + REC_GPRS, x0);
    if (!coco_hash_once(chain->hash, rec, sizeof rec, &content, error))
        return false;
    memcpy(descriptor + REC_CONTENT, content.bytes, content.len);
    if (!add_descriptor(chain, DESCRIPTOR_REC, descriptor, error))
        return false;
    tell(chain, "first vCPU", pc, sizeof rec);
    return true;
}

void
coco_realm_chain_value(const CocoRealmChain *chain, CocoDigest *out)
{
    *out = chain->rim;
}

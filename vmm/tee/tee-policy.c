// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of policy bits (tee-policy.h). A number in the config wins over the names' defaults
 * and must agree with the names that were given.
 */
#include "vmm/tee/tee-policy.h"

#include "vmm/xml/xml-writer.h"

typedef struct {
    CocoKey key;
    unsigned int shift;
    unsigned int width; /* 1: a flag */
    bool inverted;      /* the bit forbids what the key allows */
} Field;

typedef struct {
    CocoKey raw;
    const Field *fields; /* the first is debug; ends with width 0 */
    guint64 always;      /* bits that must be set */
} Policy;

/* clang-format off */
static const Field sev_fields[] = {
    { COCO_KEY_SEV_DEBUG, 0, 1, true },
    { COCO_KEY_SEV_KEY_SHARING, 1, 1, true },
    { COCO_KEY_SEV_ES, 2, 1, false },
    { COCO_KEY_SEV_SEND, 3, 1, true },
    { COCO_KEY_SEV_DOMAIN, 4, 1, false },
    { COCO_KEY_SEV_SEV, 5, 1, false },
    { COCO_KEY_SEV_API_MAJOR, 16, 8, false },
    { COCO_KEY_SEV_API_MINOR, 24, 8, false },
    { 0 },
};

static const Field snp_fields[] = {
    { COCO_KEY_SNP_DEBUG, 19, 1, false },
    { COCO_KEY_SNP_ABI_MINOR, 0, 8, false },
    { COCO_KEY_SNP_ABI_MAJOR, 8, 8, false },
    { COCO_KEY_SNP_SMT, 16, 1, false },
    { COCO_KEY_SNP_MIGRATION_AGENT, 18, 1, false },
    { COCO_KEY_SNP_SINGLE_SOCKET, 20, 1, false },
    { COCO_KEY_SNP_CXL, 21, 1, false },
    { COCO_KEY_SNP_AES_256_XTS, 22, 1, false },
    { COCO_KEY_SNP_RAPL_OFF, 23, 1, false },
    { COCO_KEY_SNP_CIPHERTEXT_HIDING, 24, 1, false },
    { COCO_KEY_SNP_PAGE_SWAP_OFF, 25, 1, false },
    { 0 },
};

static const Field tdx_fields[] = {
    { COCO_KEY_TDX_DEBUG, 0, 1, false },
    { COCO_KEY_TDX_SEPT_VE_DISABLE, 28, 1, false },
    { 0 },
};

static const Policy sev = { COCO_KEY_SEV_POLICY, sev_fields, 0 };
static const Policy snp = { COCO_KEY_SNP_POLICY, snp_fields, G_GUINT64_CONSTANT(1) << 17 };
static const Policy tdx = { COCO_KEY_TDX_POLICY, tdx_fields, 0 };

static const Policy *const policies[COCO_N_TEES] = {
    [COCO_TEE_SEV] = &sev,
    [COCO_TEE_SEV_ES] = &sev,
    [COCO_TEE_SNP] = &snp,
    [COCO_TEE_TDX] = &tdx,
};
/* clang-format on */

static guint64
field_mask(const Field *field)
{
    return ((G_GUINT64_CONSTANT(1) << field->width) - 1) << field->shift;
}

/* What the key says, at its place in the policy. */
static guint64
field_value(const CocoVmConfig *config, const Field *field)
{
    guint64 value = field->width == 1 ? coco_vm_config_bool(config, field->key) != field->inverted
                                      : coco_vm_config_number(config, field->key);

    return value << field->shift;
}

static bool
check_fields(const CocoVmConfig *config, const Policy *policy, guint64 raw, GError **error)
{
    guint64 known = policy->always;

    for (const Field *field = policy->fields; field->width != 0; field++) {
        known |= field_mask(field);
        if (coco_vm_config_is_set(config, field->key) &&
            (raw & field_mask(field)) != field_value(config, field))
            return coco_vm_config_error(config, field->key, error,
                                        "'%s' disagrees with policy = %s (bit %u)",
                                        coco_vm_config_string(config, field->key),
                                        coco_vm_config_string(config, policy->raw), field->shift);
    }
    if ((raw & ~known) != 0)
        return coco_vm_config_error(config, policy->raw, error,
                                    "'%s' sets bits that must be 0: 0x%" G_GINT64_MODIFIER "x",
                                    coco_vm_config_string(config, policy->raw), raw & ~known);
    if ((raw & policy->always) != policy->always)
        return coco_vm_config_error(config, policy->raw, error,
                                    "'%s' lacks a bit that must be 1: 0x%" G_GINT64_MODIFIER "x",
                                    coco_vm_config_string(config, policy->raw),
                                    policy->always & ~raw);
    return true;
}

bool
coco_tee_policy_check(const CocoVmConfig *config, GError **error)
{
    const Policy *policy = policies[coco_vm_config_choice(config, COCO_KEY_VM_TEE)];

    return policy == NULL || !coco_vm_config_is_set(config, policy->raw) ||
           check_fields(config, policy, coco_vm_config_mask(config, policy->raw), error);
}

guint64
coco_tee_policy(const CocoVmConfig *config)
{
    const Policy *policy = policies[coco_vm_config_choice(config, COCO_KEY_VM_TEE)];
    guint64 value = 0;

    if (policy == NULL)
        return 0;
    if (coco_vm_config_is_set(config, policy->raw))
        return coco_vm_config_mask(config, policy->raw);
    for (const Field *field = policy->fields; field->width != 0; field++)
        value |= field_value(config, field);
    return value | policy->always;
}

bool
coco_tee_policy_check_debug(const CocoVmConfig *config, GError **error)
{
    const Policy *policy = policies[coco_vm_config_choice(config, COCO_KEY_VM_TEE)];
    const Field *debug = policy != NULL ? policy->fields : NULL;
    CocoKey key;
    bool bit;

    if (policy == NULL || coco_vm_config_bool(config, COCO_KEY_DEBUG_INSECURE_POLICY))
        return true;
    bit = (coco_tee_policy(config) & field_mask(debug)) != 0;
    if (bit == debug->inverted)
        return true;
    key = coco_vm_config_is_set(config, policy->raw) ? policy->raw : debug->key;
    return coco_vm_config_error(config, key, error,
                                "'%s' lets the host read and change the guest's memory (bit %u); "
                                "for a test set [debug] insecure_policy = true",
                                coco_vm_config_string(config, key), debug->shift);
}

void
coco_tee_policy_write(xmlTextWriter *w, const CocoVmConfig *config)
{
    g_autofree char *value =
        g_strdup_printf("0x%08" G_GINT64_MODIFIER "x", coco_tee_policy(config));

    coco_xml_text(w, "policy", value);
}

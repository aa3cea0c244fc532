// SPDX-License-Identifier: Apache-2.0
/*
 * CPU models as QEMU names them, and the CPUID signature that each shows: EDX of a vCPU at reset,
 * and with it part of a SEV-ES or SEV-SNP measurement. The versions of a model differ in features,
 * never in the signature.
 */
#include "vmm/measure/measure.h"

#include <string.h>

#include "vmm/config/vmm-error.h"

typedef struct {
    const char *name;
    unsigned int versions; /* -v1 to -vN */
    uint16_t family;
    uint16_t model;
    uint16_t stepping;
} Model;

/* QEMU's builtin_x86_defs. */
static const Model models[] = {
    { "EPYC", 5, 23, 1, 2 },       { "EPYC-IBPB", 0, 23, 1, 2 },   { "EPYC-Rome", 5, 23, 49, 0 },
    { "EPYC-Milan", 3, 25, 1, 1 }, { "EPYC-Genoa", 2, 25, 17, 0 }, { "EPYC-Turin", 1, 26, 0, 0 },
};

/* AMD's CPUID specification, Fn0000_0001_EAX. */
static uint32_t
signature_of(unsigned int family, unsigned int model, unsigned int stepping)
{
    unsigned int base = MIN(family, 0xf);

    return (family - base) << 20 | (model >> 4) << 16 | base << 8 | (model & 0xf) << 4 | stepping;
}

static const Model *
find_model(const char *cpu)
{
    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        size_t len = strlen(models[i].name);
        const char *rest = cpu + len;

        if (strncmp(cpu, models[i].name, len) != 0)
            continue;
        if (rest[0] == '\0')
            return &models[i];
        if (rest[0] == '-' && rest[1] == 'v' && rest[2] >= '1' &&
            (unsigned int) (rest[2] - '0') <= models[i].versions && rest[3] == '\0')
            return &models[i];
    }
    return NULL;
}

static bool
parse_numbers(const char *cpu, uint32_t *out_signature)
{
    g_auto(GStrv) parts = g_strsplit(cpu, ":", 4);
    guint64 number[3];

    if (g_str_has_prefix(cpu, "0x") &&
        g_ascii_string_to_unsigned(cpu + 2, 16, 1, UINT32_MAX, &number[0], NULL)) {
        *out_signature = (uint32_t) number[0];
        return true;
    }
    if (g_strv_length(parts) != 3 ||
        !g_ascii_string_to_unsigned(parts[0], 10, 1, 0xf + 0xff, &number[0], NULL) ||
        !g_ascii_string_to_unsigned(parts[1], 10, 0, 0xff, &number[1], NULL) ||
        !g_ascii_string_to_unsigned(parts[2], 10, 0, 0xf, &number[2], NULL))
        return false;
    *out_signature =
        signature_of((unsigned int) number[0], (unsigned int) number[1], (unsigned int) number[2]);
    return true;
}

bool
coco_cpu_signature(const char *cpu, uint32_t *out_signature, GError **error)
{
    const Model *model = find_model(cpu);

    if (model != NULL)
        *out_signature = signature_of(model->family, model->model, model->stepping);
    else if (g_str_has_prefix(cpu, "host") || strcmp(cpu, "max") == 0 ||
             strcmp(cpu, "maximum") == 0)
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "CPU model '%s' makes the measurement depend on the host; name a model such as "
                    "EPYC-Milan",
                    cpu);
    else if (!parse_numbers(cpu, out_signature))
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "CPU model '%s' is not known: EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa or "
                    "EPYC-Turin (with -v1 and so on), FAMILY:MODEL:STEPPING, or 0x and the CPUID "
                    "signature",
                    cpu);
    else
        return true;
    return model != NULL;
}

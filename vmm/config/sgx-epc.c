// SPDX-License-Identifier: Apache-2.0
/*
 * Parses the list of EPC sections (sgx-epc.h).
 */
#include "vmm/config/sgx-epc.h"

#include <string.h>

#define MAX_SIZE_MIB (512 * 1024)
#define MAX_NODE 63

static bool
parse_section(const char *text, CocoSgxEpc *out_section)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 3);
    guint64 size = 0;
    guint64 node = 0;

    if (g_strv_length(parts) < 1 || g_strv_length(parts) > 2 ||
        !g_ascii_string_to_unsigned(parts[0], 10, 1, MAX_SIZE_MIB, &size, NULL) ||
        (parts[1] != NULL && !g_ascii_string_to_unsigned(parts[1], 10, 0, MAX_NODE, &node, NULL)))
        return false;
    *out_section = (CocoSgxEpc){ (unsigned int) size, (unsigned int) node };
    return true;
}

bool
coco_sgx_epc_parse(const CocoVmConfig *config, CocoSgxEpcs *out_epcs, GError **error)
{
    const char *text = coco_vm_config_string(config, COCO_KEY_SGX_EPC_MIB);
    g_auto(GStrv) parts = g_strsplit(text, ",", COCO_SGX_EPC_MAX + 1);
    CocoSgxEpcs epcs = { 0 };

    for (size_t i = 0; text[0] != '\0' && parts[i] != NULL; i++) {
        if (epcs.n == COCO_SGX_EPC_MAX)
            return coco_vm_config_error(config, COCO_KEY_SGX_EPC_MIB, error,
                                        "'%s' has more than %d sections", text, COCO_SGX_EPC_MAX);
        if (!parse_section(parts[i], &epcs.sections[epcs.n]))
            return coco_vm_config_error(config, COCO_KEY_SGX_EPC_MIB, error,
                                        "'%s' is not SIZE[:NODE] with a size from 1 to %d MiB and "
                                        "a node up to %d",
                                        parts[i], MAX_SIZE_MIB, MAX_NODE);
        epcs.total_mib += epcs.sections[epcs.n++].size_mib;
    }
    if (out_epcs != NULL)
        *out_epcs = epcs;
    return true;
}

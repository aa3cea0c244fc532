// SPDX-License-Identifier: Apache-2.0
/*
 * Compares (id-block-check.h).
 */
#include "vmm/launch/id-block-check.h"

#include <string.h>

#include "vmm/owner/id-block.h"
#include "vmm/tee/tee-policy.h"

static bool
check_block(const CocoVmConfig *config, const CocoIdBlock *block,
            const CocoMeasurement *measurement, GError **error)
{
    if (measurement->launch_digest.len != sizeof block->launch_digest ||
        memcmp(block->launch_digest, measurement->launch_digest.bytes,
               sizeof block->launch_digest) != 0)
        return coco_vm_config_error(config, COCO_KEY_SNP_ID_BLOCK, error,
                                    "'%s' is for another launch digest than this config has "
                                    "(`cococtl measure` shows it)",
                                    coco_vm_config_string(config, COCO_KEY_SNP_ID_BLOCK));
    if (block->policy != coco_tee_policy(config))
        return coco_vm_config_error(config, COCO_KEY_SNP_ID_BLOCK, error,
                                    "'%s' is for policy 0x%" G_GINT64_MODIFIER
                                    "x, and this config has 0x%" G_GINT64_MODIFIER "x",
                                    coco_vm_config_string(config, COCO_KEY_SNP_ID_BLOCK),
                                    block->policy, coco_tee_policy(config));
    return true;
}

static bool
check_auth(const CocoVmConfig *config, const uint8_t *block, GBytes *auth, GError **error)
{
    g_autoptr(GError) cause = NULL;
    CocoIdSigners signers = { 0 };
    size_t len = 0;
    const uint8_t *bytes = g_bytes_get_data(auth, &len);

    if (!coco_id_auth_check(block, bytes, len, &signers, &cause))
        return coco_vm_config_error(config, COCO_KEY_SNP_ID_AUTH, error, "'%s': %s",
                                    coco_vm_config_string(config, COCO_KEY_SNP_ID_AUTH),
                                    cause->message);
    if (coco_vm_config_bool(config, COCO_KEY_SNP_AUTHOR_KEY) && !signers.has_author)
        return coco_vm_config_error(config, COCO_KEY_SNP_AUTHOR_KEY, error,
                                    "yes, and there is no author key in '%s'",
                                    coco_vm_config_string(config, COCO_KEY_SNP_ID_AUTH));
    return true;
}

bool
coco_id_block_check(const CocoVmConfig *config, const CocoBootFiles *boot,
                    const CocoMeasurement *measurement, GError **error)
{
    GBytes *block = coco_boot_files_blob(boot, COCO_BOOT_ID_BLOCK);
    GBytes *auth = coco_boot_files_blob(boot, COCO_BOOT_ID_AUTH);
    g_autoptr(GError) cause = NULL;
    CocoIdBlock read = { 0 };
    size_t len = 0;
    const uint8_t *bytes;

    if (block == NULL || auth == NULL)
        return true;
    bytes = g_bytes_get_data(block, &len);
    if (!coco_id_block_from_bytes(bytes, len, &read, &cause))
        return coco_vm_config_error(config, COCO_KEY_SNP_ID_BLOCK, error, "'%s': %s",
                                    coco_vm_config_string(config, COCO_KEY_SNP_ID_BLOCK),
                                    cause->message);
    return check_block(config, &read, measurement, error) && check_auth(config, bytes, auth, error);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What a TEE adds to a config that was read (tee-config.h).
 */
#include "vmm/tee/tee-config.h"

#include <string.h>

#include "vmm/config/annotations.h"
#include "vmm/config/vm-size.h"
#include "vmm/tee/tee.h"

/* config: (transfer full), nullable. annotations: nullable. */
static CocoVmConfig *
complete(CocoVmConfig *config, const char *annotations, GError **error)
{
    g_autoptr(CocoVmConfig) owned = config;

    if (owned == NULL || !coco_vm_annotations_check_allow(owned, error) ||
        !coco_vm_annotations_load(owned, annotations, error))
        return NULL;
    for (const CocoTeeDefault *d = coco_tee_of(owned)->defaults; d->value != NULL; d++)
        coco_vm_config_set_default(owned, d->key, d->value);
    if (!coco_tee_validate(owned, error) || !coco_vm_size_check(owned, error))
        return NULL;
    return g_steal_pointer(&owned);
}

CocoVmConfig *
coco_tee_config_load(const char *file, const char *const *overrides, GError **error)
{
    return coco_tee_config_load_for_pod(file, overrides, NULL, error);
}

CocoVmConfig *
coco_tee_config_load_for_pod(const char *file, const char *const *overrides,
                             const char *annotations, GError **error)
{
    return complete(coco_vm_config_read(file, overrides, error), annotations, error);
}

CocoVmConfig *
coco_tee_config_parse(const char *name, const char *text, size_t len, const char *const *overrides,
                      GError **error)
{
    return complete(coco_vm_config_read_text(name, text, len, overrides, error), NULL, error);
}

bool
coco_tee_config_require(const CocoVmConfig *config, const char *const *words, GError **error)
{
    const char *tee = coco_vm_config_string(config, COCO_KEY_VM_TEE);

    for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], tee) != 0)
            return coco_vm_config_error(config, COCO_KEY_VM_TEE, error,
                                        "it is '%s', and '%s' is required: no other VM is started",
                                        tee, words[i]);
    }
    return true;
}

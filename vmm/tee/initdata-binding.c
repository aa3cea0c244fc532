// SPDX-License-Identifier: Apache-2.0
/*
 * Initdata of one launch (initdata-binding.h).
 */
#include "vmm/tee/initdata-binding.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/tee.h"

/* COMMAND_LINE_SIZE of x86 and arm64, without its NUL. */
#define MAX_CMDLINE 2047

static bool
load(CocoInitdataBinding *binding, const CocoVmConfig *config, const CocoInitdataSource *source,
     GError **error)
{
    const char *configured = coco_vm_config_string(config, COCO_KEY_GUEST_INITDATA);
    const char *toml = source->toml_file != NULL ? source->toml_file : configured;

    if (source->annotation_file != NULL) {
        binding->initdata = coco_initdata_load_annotation(source->annotation_file, error);
        if (binding->initdata == NULL)
            g_prefix_error(error, "annotation cc_init_data: ");
        return binding->initdata != NULL;
    }
    if (toml[0] == '\0')
        return true;
    binding->initdata = coco_initdata_load_toml(toml, error);
    return binding->initdata != NULL;
}

/* By the command line, where the TEE has no field. */
static bool
is_bound(const CocoVmConfig *config, GError **error)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);

    if (ops->tee == COCO_TEE_NONE ||
        (ops->cmdline_key != COCO_N_KEYS && coco_vm_config_bool(config, ops->cmdline_key)))
        return true;
    return coco_vm_config_error(config, COCO_KEY_GUEST_INITDATA, error,
                                "with tee = %s%s initdata is bound to nothing, and the host could "
                                "exchange it unseen",
                                coco_vm_config_string(config, COCO_KEY_VM_TEE),
                                ops->cmdline_key != COCO_N_KEYS ? " and kernel_hashes = no" : "");
}

bool
coco_initdata_binding_load(CocoInitdataBinding *binding, const CocoVmConfig *config,
                           const CocoInitdataSource *source, GError **error)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);
    g_autofree uint8_t *field = NULL;
    GBytes *configured;

    if (!load(binding, config, source, error))
        return false;
    if (binding->initdata == NULL)
        return true;
    if (ops->host_data_size == 0)
        return is_bound(config, error);
    field = g_malloc(ops->host_data_size);
    coco_initdata_bind(binding->initdata, field, ops->host_data_size);
    binding->host_data = g_bytes_new_take(g_steal_pointer(&field), ops->host_data_size);
    configured = coco_vm_config_bytes(config, ops->host_data_key);
    if (configured != NULL && !g_bytes_equal(configured, binding->host_data))
        return coco_vm_config_error(config, ops->host_data_key, error,
                                    "it is not the %s of the initdata, which is bound there; "
                                    "leave one of the two out",
                                    coco_initdata_algorithm(binding->initdata));
    return true;
}

bool
coco_initdata_binding_apply(const CocoInitdataBinding *binding, CocoVmSpec *spec, GError **error)
{
    const struct CocoTeeOps *ops = coco_tee_of(spec->config);
    size_t len;

    if (binding->initdata != NULL && ops->tee != COCO_TEE_NONE && ops->host_data_size == 0) {
        g_autofree char *before = g_steal_pointer(&spec->cmdline);
        g_autofree char *word = coco_initdata_cmdline(binding->initdata);

        spec->cmdline = g_strconcat(before, " ", word, NULL);
    }
    len = strlen(spec->cmdline);
    return len <= MAX_CMDLINE ||
           coco_vm_config_error(spec->config, COCO_KEY_GUEST_CMDLINE, error,
                                "the kernel's whole command line has %zu bytes, and it reads %d: "
                                "the rest would be lost",
                                len, MAX_CMDLINE);
}

bool
coco_initdata_binding_write(const CocoInitdataBinding *binding, const CocoRunDir *run_dir,
                            GError **error)
{
    g_autofree char *path = coco_run_dir_file(run_dir, COCO_INITDATA_DISK);
    g_autoptr(GBytes) image = NULL;
    g_auto(CocoFd) fd = -1;
    const uint8_t *at;
    gsize left;

    if (binding->initdata == NULL)
        return true;
    image = coco_initdata_image(binding->initdata);
    at = g_bytes_get_data(image, &left);
    /* It is not secret: the guest's evidence says whose it is. */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (fd < 0 || fchmod(fd, 0444) < 0)
        return coco_vmm_error_errno(error, errno, "write '%s'", path);
    while (left > 0) {
        ssize_t n = write(fd, at, left);

        if (n < 0)
            return coco_vmm_error_errno(error, errno, "write '%s'", path);
        at += n;
        left -= (gsize) n;
    }
    return true;
}

void
coco_initdata_binding_clear(CocoInitdataBinding *binding)
{
    g_clear_pointer(&binding->initdata, coco_initdata_free);
    g_clear_pointer(&binding->host_data, g_bytes_unref);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Files and a config into the input of coco_measure() (measure-plan.h). Files are read, not mapped:
 * whoever truncates a mapped file kills its reader.
 */
#include "vmm/launch/measure-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/domain/domain-xml.h"
#include "vmm/tee/tee.h"

static const char *const names[] = {
    [COCO_MEASURE_FIRMWARE] = "firmware",
    [COCO_MEASURE_KERNEL] = "kernel",
    [COCO_MEASURE_INITRD] = "initrd",
    [COCO_MEASURE_DTB] = "dtb",
};
G_STATIC_ASSERT(G_N_ELEMENTS(names) == COCO_N_MEASURE_FILES);

const char *
coco_measure_file_name(CocoMeasureFile file)
{
    return names[file];
}

static char *
not_empty(const char *text)
{
    return text[0] != '\0' ? g_strdup(text) : NULL;
}

void
coco_measure_plan_preset(CocoMeasurePlan *plan)
{
    plan->input.vcpus = 1;
    plan->input.cca.ipa_bits = 48;
    plan->input.cca.breakpoints = 2;
    plan->input.cca.watchpoints = 2;
}

/* A Secure Execution image has everything in it; elsewhere firmware, kernel and initrd are files.
 */
static void
take_files(CocoMeasurePlan *plan, const CocoVmSpec *spec)
{
    const CocoVmConfig *config = spec->config;

    plan->paths[COCO_MEASURE_KERNEL] =
        not_empty(coco_vm_config_string(config, COCO_KEY_GUEST_KERNEL));
    if (plan->input.tee == COCO_TEE_SE)
        return;
    plan->paths[COCO_MEASURE_FIRMWARE] =
        not_empty(coco_vm_config_string(config, COCO_KEY_GUEST_FIRMWARE));
    plan->paths[COCO_MEASURE_INITRD] =
        not_empty(coco_vm_config_string(config, COCO_KEY_GUEST_INITRD));
    plan->cpu_model = not_empty(coco_vm_config_string(config, COCO_KEY_VM_CPU));
    plan->cmdline = g_strdup(spec->cmdline);
}

static void
take_sev(CocoMeasureInput *input, const CocoVmConfig *config)
{
    bool snp = input->tee == COCO_TEE_SNP;

    input->no_kernel_hashes =
        !coco_vm_config_bool(config, snp ? COCO_KEY_SNP_KERNEL_HASHES : COCO_KEY_SEV_KERNEL_HASHES);
    if (snp && coco_vm_config_is_set(config, COCO_KEY_SNP_VMSA_FEATURES)) {
        input->vmsa_features = coco_vm_config_mask(config, COCO_KEY_SNP_VMSA_FEATURES);
        input->vmsa_features_given = true;
    }
}

static bool
take_cca(CocoMeasureInput *input, const CocoVmSpec *spec, GError **error)
{
    const CocoVmConfig *config = spec->config;

    if (coco_vm_config_bool(config, COCO_KEY_CCA_MEASUREMENT_LOG))
        return coco_vm_config_error(
            config, COCO_KEY_CCA_MEASUREMENT_LOG, error,
            "the place of the log is part of the RIM, and is not predicted");
    input->cca.sha512 =
        coco_vm_config_choice(config, COCO_KEY_CCA_MEASUREMENT_ALGORITHM) == COCO_CCA_SHA512;
    input->cca.ram_bytes = (uint64_t) spec->memory_mib << 20;
    return true;
}

static void
take_host_data(CocoMeasurePlan *plan, const CocoVmConfig *config,
               const CocoInitdataBinding *initdata)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);

    if (initdata->host_data != NULL)
        plan->host_data = g_bytes_ref(initdata->host_data);
    else if (ops->host_data_size > 0 && coco_vm_config_bytes(config, ops->host_data_key) != NULL)
        plan->host_data = g_bytes_ref(coco_vm_config_bytes(config, ops->host_data_key));
}

bool
coco_measure_plan_from_spec(CocoMeasurePlan *plan, const CocoVmSpec *spec,
                            const CocoInitdataBinding *initdata, GError **error)
{
    coco_measure_plan_clear(plan);
    coco_measure_plan_preset(plan);
    plan->input.tee = (CocoTee) coco_vm_config_choice(spec->config, COCO_KEY_VM_TEE);
    plan->input.vcpus = spec->vcpus;
    take_files(plan, spec);
    take_sev(&plan->input, spec->config);
    take_host_data(plan, spec->config, initdata);
    return take_cca(&plan->input, spec, error);
}

bool
coco_measure_plan_from_config(CocoMeasurePlan *plan, const CocoVmConfig *config,
                              const CocoInitdataSource *source, GError **error)
{
    g_auto(CocoInitdataBinding) initdata = { 0 };
    g_auto(CocoVmSpec) spec = { 0 };

    if (!coco_initdata_binding_load(&initdata, config, source, error))
        return false;
    /* A TEE runs with KVM or not at all. */
    coco_domain_spec_init(&spec, config, COCO_ACCEL_KVM, COCO_TRANSPORT_VSOCK);
    return coco_initdata_binding_apply(&initdata, &spec, error) &&
           coco_measure_plan_from_spec(plan, &spec, &initdata, error);
}

/* Up to its end or len bytes, whichever comes first; -1 with errno. */
static ssize_t
read_whole(int fd, uint8_t *data, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fd, data + done, len - done);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            break;
        done += n > 0 ? (size_t) n : 0;
    }
    return (ssize_t) done;
}

static bool
is_unchanged(int fd, const struct stat *before)
{
    struct stat now;

    return fstat(fd, &now) == 0 && now.st_size == before->st_size &&
           now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

static GBytes *
read_content(const char *what, const char *path, int fd, const struct stat *info, GError **error)
{
    size_t len = (size_t) info->st_size;
    g_autofree uint8_t *data = NULL;
    ssize_t n;

    if (len > COCO_MEASURE_MAX_BLOB) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "%s '%s': %zu bytes are more than the limit of %llu", what, path, len,
                    COCO_MEASURE_MAX_BLOB);
        return NULL;
    }
    data = g_try_malloc(len + 1);
    n = data != NULL ? read_whole(fd, data, len) : -1;
    if (n < 0)
        return coco_vmm_error_errno(error, errno, "read %s '%s'", what, path), NULL;
    if ((size_t) n < len || !is_unchanged(fd, info)) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED,
                    "read %s '%s': it was changed while it was read", what, path);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&data), len);
}

static GBytes *
read_file(const char *what, const char *path, GError **error)
{
    /* O_NONBLOCK: a FIFO by this name must not hang. */
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0)
        return coco_vmm_error_errno(error, errno, "read %s '%s'", what, path), NULL;
    if (!S_ISREG(info.st_mode))
        return coco_vmm_error_errno(error, S_ISDIR(info.st_mode) ? EISDIR : EINVAL, "read %s '%s'",
                                    what, path),
               NULL;
    return read_content(what, path, fd, &info, error);
}

static bool
read_all(CocoMeasurePlan *plan, GError **error)
{
    GBytes **const slots[COCO_N_MEASURE_FILES] = {
        [COCO_MEASURE_FIRMWARE] = &plan->input.firmware,
        [COCO_MEASURE_KERNEL] = &plan->input.kernel,
        [COCO_MEASURE_INITRD] = &plan->input.initrd,
        [COCO_MEASURE_DTB] = &plan->input.cca.dtb,
    };

    for (CocoMeasureFile i = 0; i < COCO_N_MEASURE_FILES; i++) {
        g_clear_pointer(slots[i], g_bytes_unref);
        if (plan->paths[i] == NULL)
            continue;
        *slots[i] = read_file(names[i], plan->paths[i], error);
        if (*slots[i] == NULL)
            return false;
    }
    return true;
}

/* The library knows bytes and says "firmware: …"; here the file has a name. */
static void
name_file(const CocoMeasurePlan *plan, GError **error)
{
    const char *message = error != NULL && *error != NULL ? (*error)->message : "";

    for (CocoMeasureFile i = 0; i < COCO_N_MEASURE_FILES; i++) {
        size_t len = strlen(names[i]);

        if (plan->paths[i] != NULL && strncmp(message, names[i], len) == 0 && message[len] == ':') {
            char *named = g_strdup_printf("%s '%s'%s", names[i], plan->paths[i], message + len);

            g_free((*error)->message);
            (*error)->message = named;
            return;
        }
    }
}

bool
coco_measure_plan_run(CocoMeasurePlan *plan, const CocoMeasureTrace *trace, CocoMeasurement *out,
                      GError **error)
{
    g_autoptr(GError) own = NULL;

    plan->input.cmdline = plan->cmdline;
    plan->input.cpu_model = plan->cpu_model;
    if (plan->host_data != NULL)
        plan->input.initdata_digest =
            g_bytes_get_data(plan->host_data, &plan->input.initdata_digest_len);
    if (!coco_measure_supports(plan->input.tee, error))
        return false;
    if (read_all(plan, error) && coco_measure(&plan->input, trace, out, &own))
        return true;
    if (own != NULL) {
        name_file(plan, &own);
        g_propagate_error(error, g_steal_pointer(&own));
    }
    return false;
}

void
coco_measure_plan_clear(CocoMeasurePlan *plan)
{
    for (CocoMeasureFile i = 0; i < COCO_N_MEASURE_FILES; i++)
        g_free(plan->paths[i]);
    g_free(plan->cmdline);
    g_free(plan->cpu_model);
    g_bytes_unref(plan->host_data);
    g_bytes_unref(plan->input.firmware);
    g_bytes_unref(plan->input.kernel);
    g_bytes_unref(plan->input.initrd);
    g_bytes_unref(plan->input.cca.dtb);
    *plan = (CocoMeasurePlan){ 0 };
}

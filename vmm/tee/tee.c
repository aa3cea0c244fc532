// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the back-end of a TEE and checks what is the same for all of them (tee.h).
 */
#include "vmm/tee/tee.h"

#include <string.h>

#include "vmm/config/sgx-epc.h"
#include "vmm/config/vm-arch.h"
#include "vmm/config/vmm-error.h"
#include "vmm/measure/measure.h"
#include "vmm/tee/tee-policy.h"

static const struct CocoTeeOps *const back_ends[COCO_N_TEES] = {
    [COCO_TEE_NONE] = &coco_tee_none,     [COCO_TEE_SEV] = &coco_tee_sev,
    [COCO_TEE_SEV_ES] = &coco_tee_sev_es, [COCO_TEE_SNP] = &coco_tee_snp,
    [COCO_TEE_TDX] = &coco_tee_tdx,       [COCO_TEE_SE] = &coco_tee_se,
    [COCO_TEE_CCA] = &coco_tee_cca,
};

static const char *const tee_groups[] = { "sev", "snp", "tdx", "cca" };

const struct CocoTeeOps *
coco_tee_of(const CocoVmConfig *config)
{
    return back_ends[coco_vm_config_choice(config, COCO_KEY_VM_TEE)];
}

static const char *
tee_name(const struct CocoTeeOps *ops)
{
    return coco_vm_config_choice_name(COCO_KEY_VM_TEE, (int) ops->tee);
}

bool
coco_tee_need_both(const CocoVmConfig *config, CocoKey one, CocoKey other, GError **error)
{
    if (coco_vm_config_is_set(config, one) == coco_vm_config_is_set(config, other))
        return true;
    if (coco_vm_config_is_set(config, other))
        return coco_tee_need_both(config, other, one, error);
    return coco_vm_config_error(config, one, error, "it needs %s too",
                                coco_vm_config_key_name(other));
}

/* A setting of another TEE would be silently without effect. */
static bool
check_groups(const CocoVmConfig *config, const struct CocoTeeOps *ops, GError **error)
{
    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        const char *group = coco_vm_config_key_group(key);

        for (size_t i = 0; i < G_N_ELEMENTS(tee_groups); i++) {
            if (strcmp(group, tee_groups[i]) == 0 && g_strcmp0(group, ops->group) != 0 &&
                coco_vm_config_is_set(config, key))
                return coco_vm_config_error(config, key, error, "it has no effect with tee = %s",
                                            tee_name(ops));
        }
    }
    return true;
}

static bool
check_machine(const CocoVmConfig *config, const struct CocoTeeOps *ops, GError **error)
{
    const char *machine = coco_vm_config_string(config, COCO_KEY_VM_MACHINE);

    if (ops->machine == NULL || strstr(machine, ops->machine) != NULL)
        return true;
    return coco_vm_config_error(config, COCO_KEY_VM_MACHINE, error,
                                "'%s' is not a machine for tee = %s, which runs on '%s'", machine,
                                tee_name(ops), ops->machine);
}

static bool
check_rootfs(const CocoVmConfig *config, const struct CocoTeeOps *ops, GError **error)
{
    if (ops->tee == COCO_TEE_NONE ||
        coco_vm_config_choice(config, COCO_KEY_GUEST_ROOTFS) == COCO_ROOTFS_GUEST_PULL ||
        coco_vm_config_bool(config, COCO_KEY_DEBUG_INSECURE_HOST_SHARE))
        return true;
    return coco_vm_config_error(config, COCO_KEY_GUEST_ROOTFS, error,
                                "%s lets the host put any file into a guest with tee = %s, unseen "
                                "by attestation; for a test set [debug] insecure_host_share = true",
                                coco_vm_config_string(config, COCO_KEY_GUEST_ROOTFS),
                                tee_name(ops));
}

static bool
check_kernel_hashes(const CocoVmConfig *config, const struct CocoTeeOps *ops, GError **error)
{
    CocoKey key =
        ops->tee == COCO_TEE_SNP ? COCO_KEY_SNP_KERNEL_HASHES : COCO_KEY_SEV_KERNEL_HASHES;
    bool has_key = ops->group != NULL && strcmp(ops->group, coco_vm_config_key_group(key)) == 0;

    if (!has_key || coco_vm_config_bool(config, key) ||
        coco_vm_config_bool(config, COCO_KEY_DEBUG_INSECURE_KERNEL))
        return true;
    return coco_vm_config_error(config, key, error,
                                "no lets the host boot any kernel, unseen by attestation; for a "
                                "test set [debug] insecure_kernel = true");
}

/* The first state of each CPU is measured, and its model is in it. */
bool
coco_tee_check_amd_cpu(const CocoVmConfig *config, GError **error)
{
    const char *model = coco_vm_config_string(config, COCO_KEY_VM_CPU);
    uint32_t signature;

    if (g_str_has_prefix(model, "EPYC") && coco_cpu_signature(model, &signature, NULL))
        return true;
    return coco_vm_config_error(config, COCO_KEY_VM_CPU, error,
                                "'%s' is not a model of AMD EPYC that QEMU has, such as EPYC-v4 or "
                                "EPYC-Milan",
                                model);
}

static bool
check_memory(const CocoVmConfig *config, GError **error)
{
    if (coco_vm_config_choice(config, COCO_KEY_MEMORY_BACKING) == COCO_BACKING_ANONYMOUS &&
        coco_vm_config_choice(config, COCO_KEY_GUEST_ROOTFS) == COCO_ROOTFS_VIRTIOFS)
        return coco_vm_config_error(config, COCO_KEY_MEMORY_BACKING, error,
                                    "anonymous memory cannot be shared with virtiofsd ([guest] "
                                    "rootfs = virtiofs)");
    return true;
}

static bool
check_hardware(const CocoVmConfig *config, const struct CocoTeeOps *ops, GError **error)
{
    if (ops->tee != COCO_TEE_NONE &&
        coco_vm_config_choice(config, COCO_KEY_VM_ACCEL) == COCO_ACCEL_TCG)
        return coco_vm_config_error(config, COCO_KEY_VM_ACCEL, error,
                                    "tcg emulates a CPU, and no emulated CPU has tee = %s",
                                    tee_name(ops));
    if (coco_vm_config_is_set(config, COCO_KEY_SGX_EPC_MIB) &&
        coco_vm_arch(config) != COCO_ARCH_X86_64)
        return coco_vm_config_error(config, COCO_KEY_SGX_EPC_MIB, error,
                                    "there is no SGX on %s (tee = %s)",
                                    coco_arch_name(coco_vm_arch(config)), tee_name(ops));
    return coco_sgx_epc_parse(config, NULL, error);
}

/* A daemon's QEMU would be outside the pod's namespaces and cgroup, and its VM nobody's when the
 * launch fails. */
static bool
check_uri(const CocoVmConfig *config, GError **error)
{
    const char *uri = coco_vm_config_string(config, COCO_KEY_HOST_URI);

    return uri[0] == '\0' || g_str_has_prefix(uri, "test:///") ||
           coco_vm_config_error(config, COCO_KEY_HOST_URI, error,
                                "'%s' is not possible: a pod's QEMU is started by this process and "
                                "not by a daemon, so leave it empty (or test:///default)",
                                uri);
}

bool
coco_tee_validate(const CocoVmConfig *config, GError **error)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);

    return check_groups(config, ops, error) && check_machine(config, ops, error) &&
           check_hardware(config, ops, error) && check_rootfs(config, ops, error) &&
           check_memory(config, error) && check_uri(config, error) &&
           coco_tee_policy_check(config, error) && coco_tee_policy_check_debug(config, error) &&
           check_kernel_hashes(config, ops, error) &&
           (ops->validate == NULL || ops->validate(config, error));
}

bool
coco_tee_has_domain(const CocoVmConfig *config, GError **error)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);

    if (ops->min_libvirt != 0)
        return true;
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_NO_TEE,
                "tee = %s: no release of libvirt has a domain for it; `cococtl measure` computes "
                "its measurement",
                tee_name(ops));
    return false;
}

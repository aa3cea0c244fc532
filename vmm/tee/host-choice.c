// SPDX-License-Identifier: Apache-2.0
/*
 * Chooses accelerator and transport (host-choice.h).
 *
 * A device node proves little: /dev/kvm of a nested kvm_pvm opens, runs HLT and then hangs on a
 * real guest, so KVM counts only with the module of a vendor that is known to run one.
 */
#include "vmm/tee/host-choice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/tee.h"

const CocoHostPaths coco_host_paths = {
    .kvm = "/dev/kvm",
    .vhost_vsock = "/dev/vhost-vsock",
    .sys_module = "/sys/module",
};

/* True when the node opens for reading and writing; *out_reason says what was seen (transfer full).
 */
static bool
opens(const char *path, char **out_reason)
{
    g_auto(CocoFd) fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        *out_reason = g_strdup_printf("%s: %s", path, g_strerror(errno));
    else
        *out_reason = g_strdup_printf("%s opens", path);
    return fd >= 0;
}

static const char *
kvm_module(const char *sys_module)
{
    static const char *const modules[] = { "kvm_intel", "kvm_amd" };

    for (size_t i = 0; i < G_N_ELEMENTS(modules); i++) {
        g_autofree char *path = g_build_filename(sys_module, modules[i], NULL);

        if (access(path, F_OK) == 0)
            return modules[i];
    }
    return NULL;
}

static bool
kvm_runs(const CocoHostPaths *paths, char **out_reason)
{
    g_autofree char *node = NULL;
    const char *module;

    if (!opens(paths->kvm, &node)) {
        *out_reason = g_steal_pointer(&node);
        return false;
    }
    module = kvm_module(paths->sys_module);
    if (module == NULL)
        *out_reason = g_strdup_printf("%s, but neither kvm_intel nor kvm_amd is loaded", node);
    else
        *out_reason = g_strdup_printf("%s and %s is loaded", node, module);
    return module != NULL;
}

static bool
choose_accel(const CocoVmConfig *config, const CocoHostPaths *paths, CocoHostChoice *choice,
             GError **error)
{
    CocoAccel asked = (CocoAccel) coco_vm_config_choice(config, COCO_KEY_VM_ACCEL);
    const char *tee = coco_vm_config_string(config, COCO_KEY_VM_TEE);
    bool kvm;

    /* Whether it works here is for the TEE's probe to say, with all else that is missing. */
    if (coco_tee_of(config)->tee != COCO_TEE_NONE) {
        choice->accel = COCO_ACCEL_KVM;
        choice->accel_reason = g_strdup_printf("tee = %s needs it", tee);
        return true;
    }
    if (asked == COCO_ACCEL_TCG) {
        choice->accel = COCO_ACCEL_TCG;
        choice->accel_reason = g_strdup("the config says tcg");
        return true;
    }
    kvm = kvm_runs(paths, &choice->accel_reason);
    choice->accel = kvm ? COCO_ACCEL_KVM : COCO_ACCEL_TCG;
    if (asked == COCO_ACCEL_KVM && !kvm)
        return coco_vmm_bad_config(error, "accel = kvm is not possible on this host: %s",
                                   choice->accel_reason);
    return true;
}

static bool
choose_transport(const CocoVmConfig *config, const CocoHostPaths *paths, CocoHostChoice *choice,
                 GError **error)
{
    CocoTransport asked = (CocoTransport) coco_vm_config_choice(config, COCO_KEY_VM_TRANSPORT);
    bool vsock;

    if (asked == COCO_TRANSPORT_CHANNEL) {
        choice->transport = COCO_TRANSPORT_CHANNEL;
        choice->transport_reason = g_strdup("the config says channel");
        return true;
    }
    vsock = opens(paths->vhost_vsock, &choice->transport_reason);
    choice->transport = vsock ? COCO_TRANSPORT_VSOCK : COCO_TRANSPORT_CHANNEL;
    if (asked == COCO_TRANSPORT_VSOCK && !vsock)
        return coco_vmm_bad_config(error, "transport = vsock is not possible on this host: %s",
                                   choice->transport_reason);
    return true;
}

bool
coco_host_choose(const CocoVmConfig *config, const CocoHostPaths *paths, CocoHostChoice *out_choice,
                 GError **error)
{
    g_auto(CocoHostChoice) choice = { 0 };

    if (!choose_accel(config, paths, &choice, error) ||
        !choose_transport(config, paths, &choice, error))
        return false;
    *out_choice = choice;
    choice = (CocoHostChoice){ 0 };
    return true;
}

void
coco_host_choice_clear(CocoHostChoice *choice)
{
    g_clear_pointer(&choice->accel_reason, g_free);
    g_clear_pointer(&choice->transport_reason, g_free);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Decides and checks (launch-plan.h). A missing or closed file is found here, where the message can
 * name it, and not by QEMU.
 */
#include "vmm/launch/launch-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/config/vmm-error.h"
#include "vmm/domain/domain-xml.h"
#include "vmm/domain/qemu-conf.h"
#include "vmm/tee/boot-store.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee.h"

/* Memory that comes later is used as it comes, and as far as that is wise in a way that it can be
 * taken back. And since it may be above 4 GiB the kernel would keep 64 MiB for devices that do not
 * reach there: there are none. */
#define MEMORY_COMES                                                                               \
    " memhp_default_state=online memory_hotplug.online_policy=auto-movable swiotlb=noforce"

/* Where virtiofsd is: the Rust one (Debian 13), the C one (Debian 12), Fedora's and Arch's. */
static const char *const virtiofsd_paths[] = {
    "/usr/libexec/virtiofsd",
    "/usr/lib/qemu/virtiofsd",
    "/usr/lib/virtiofsd",
};

static void
choose_cache_dir(CocoLaunchPlan *plan)
{
    const char *cache_dir = g_getenv("COCO_CACHE_DIR");

    plan->cache_dir = g_strdup(cache_dir != NULL && g_path_is_absolute(cache_dir)
                                   ? cache_dir
                                   : coco_vm_config_string(plan->config, COCO_KEY_HOST_CACHE_DIR));
}

bool
coco_launch_plan_load(CocoLaunchPlan *plan, const CocoLaunchSource *source, GError **error)
{
    if (source->share != NULL && !g_path_is_absolute(source->share))
        return coco_vmm_bad_config(error, "share '%s': an absolute path is needed", source->share);
    plan->run_dir = coco_run_dir_new(source->run_dir, error);
    if (plan->run_dir == NULL)
        return false;
    plan->config =
        coco_tee_config_load_for_pod(source->config, source->overrides, source->annotations, error);
    if (plan->config == NULL ||
        !coco_initdata_binding_load(&plan->initdata, plan->config, &source->initdata, error))
        return false;
    if (!coco_host_choose(plan->config, &coco_host_paths, &plan->choice, error))
        return false;
    coco_domain_spec_init(&plan->spec, plan->config, plan->choice.accel, plan->choice.transport);
    if (!coco_initdata_binding_apply(&plan->initdata, &plan->spec, error))
        return false;
    plan->boot = coco_boot_files_new(plan->config, error);
    if (plan->boot == NULL)
        return false;
    /* The other ways to a root file system give the guest no directory of the host. */
    if (coco_vm_config_choice(plan->config, COCO_KEY_GUEST_ROOTFS) == COCO_ROOTFS_VIRTIOFS)
        plan->spec.share = g_strdup(source->share);
    choose_cache_dir(plan);
    return true;
}

bool
coco_launch_plan_load_saved(CocoLaunchPlan *plan, const char *run_dir, GError **error)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;

    plan->run_dir = coco_run_dir_new(run_dir, error);
    if (plan->run_dir == NULL)
        return false;
    path = coco_run_dir_file(plan->run_dir, COCO_VM_SPEC_FILE);
    if (access(path, F_OK) < 0)
        return coco_vmm_error_errno(error, errno, "find a VM in '%s'", run_dir);
    if (!g_file_get_contents(path, &text, NULL, &failure))
        return coco_vmm_failed(error, "%s", failure->message);
    if (!coco_vm_spec_parse(path, text, &plan->spec, &plan->config, error))
        return false;
    /* Those that it was launched with are not what this is about. */
    coco_vm_disks_clear(&plan->spec.disks);
    coco_vm_nics_clear(&plan->spec.nics);
    choose_cache_dir(plan);
    return true;
}

static const char *
rootfs_name(const CocoLaunchPlan *plan)
{
    return coco_vm_config_choice_name(COCO_KEY_GUEST_ROOTFS,
                                      coco_vm_config_choice(plan->config, COCO_KEY_GUEST_ROOTFS));
}

static void
make_room(CocoLaunchPlan *plan)
{
    CocoVmSpec *spec = &plan->spec;
    CocoVmSize size = { .vcpus = spec->vcpus, .memory_mib = spec->memory_mib };
    CocoVmSize room = coco_vm_size_room(plan->config, size, coco_vm_size_of_host());
    g_autofree char *before = spec->cmdline;

    spec->max_vcpus = room.vcpus;
    spec->max_memory_mib = room.memory_mib;
    spec->cmdline =
        g_strconcat(before, room.memory_mib > spec->memory_mib ? MEMORY_COMES : "", NULL);
}

bool
coco_launch_plan_take(CocoLaunchPlan *plan, CocoLaunchRequest *request, GError **error)
{
    int rootfs = coco_vm_config_choice(plan->config, COCO_KEY_GUEST_ROOTFS);

    if (rootfs == COCO_ROOTFS_GUEST_PULL)
        return coco_vmm_bad_config(
            error,
            "[guest] rootfs = %s: this version gives containers their root file "
            "systems by virtiofs or as disks only",
            rootfs_name(plan));
    if (request->share && rootfs != COCO_ROOTFS_VIRTIOFS)
        return coco_vmm_bad_config(
            error,
            "[guest] rootfs = %s: the guest gets no directory of the host, and this "
            "container has a root file system or a mount that is one",
            rootfs_name(plan));
    if (!request->share)
        g_clear_pointer(&plan->spec.share, g_free);
    plan->spec.hotplug = request->hotplug;
    /* Who asks a relying party on the measurement needs the host's. */
    if (coco_vm_config_string(plan->config, COCO_KEY_SEV_ATTEST)[0] == '\0')
        plan->netns = g_steal_pointer(&request->netns);
    if (request->hotplug)
        make_room(plan);
    plan->spec.disks = request->disks;
    request->disks = (CocoVmDisks){ 0 };
    coco_launch_plan_take_nics(plan, request);
    return true;
}

void
coco_launch_plan_take_nics(CocoLaunchPlan *plan, CocoLaunchRequest *request)
{
    plan->spec.nics = request->nics;
    request->nics = (CocoVmNics){ 0 };
    /* Only with KVM does the kernel signal the guest's CPUs by itself. */
    if (plan->spec.accel == COCO_ACCEL_KVM)
        coco_vm_nics_open_vhost(&plan->spec.nics, "/dev/vhost-net");
}

bool
coco_launch_plan_size(CocoLaunchPlan *plan, CocoVmSize pod, GError **error)
{
    CocoVmSize size;

    if (!coco_vm_size_resolve(plan->config, pod, coco_vm_size_of_host(), &size, error))
        return false;
    plan->spec.vcpus = size.vcpus;
    plan->spec.memory_mib = size.memory_mib;
    return true;
}

static bool
check_program(const char *what, const char *path, GError **error)
{
    struct stat info;

    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return coco_vmm_bad_config(error, "find %s '%s': not a file", what, path);
    if (access(path, X_OK) < 0)
        return coco_vmm_bad_config(error, "find %s '%s': %s", what, path, g_strerror(errno));
    return true;
}

static bool
find_virtiofsd(CocoLaunchPlan *plan, GError **error)
{
    const char *given = coco_vm_config_string(plan->config, COCO_KEY_HOST_VIRTIOFSD);

    if (given[0] != '\0') {
        plan->virtiofsd = g_strdup(given);
        return check_program("virtiofsd", given, error);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(virtiofsd_paths); i++) {
        if (access(virtiofsd_paths[i], X_OK) == 0) {
            plan->virtiofsd = g_strdup(virtiofsd_paths[i]);
            return true;
        }
    }
    return coco_vmm_bad_config(
        error, "find virtiofsd: it is neither in /usr/libexec, /usr/lib/qemu nor /usr/lib; "
               "install it or set [host] virtiofsd");
}

static bool
check_share(CocoLaunchPlan *plan, GError **error)
{
    struct stat info;

    if (plan->spec.share == NULL)
        return true;
    if (stat(plan->spec.share, &info) < 0)
        return coco_vmm_error_errno(error, errno, "share directory '%s'", plan->spec.share);
    if (!S_ISDIR(info.st_mode))
        return coco_vmm_error_errno(error, ENOTDIR, "share directory '%s'", plan->spec.share);
    return find_virtiofsd(plan, error);
}

static bool
check_files(const CocoLaunchPlan *plan, GError **error)
{
    static const struct {
        const char *what;
        CocoBootFile file;
    } files[] = {
        { "guest kernel", COCO_BOOT_KERNEL },
        { "guest initrd", COCO_BOOT_INITRD },
        { "guest firmware", COCO_BOOT_FIRMWARE },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        const char *copy = coco_boot_files_path(plan->boot, files[i].file);
        const char *path =
            copy != NULL ? copy
                         : coco_vm_config_string(plan->config, coco_boot_file_key(files[i].file));

        if (path[0] != '\0' &&
            !coco_qemu_user_check(&plan->user, files[i].what, path, O_RDONLY, error))
            return false;
    }
    if (!coco_qemu_user_check(&plan->user, "QEMU",
                              coco_vm_config_string(plan->config, COCO_KEY_HOST_QEMU), O_RDONLY,
                              error))
        return false;
    return coco_qemu_user_check(&plan->user, "run directory", coco_run_dir_path(plan->run_dir),
                                O_PATH | O_DIRECTORY, error);
}

/* With KVM the QEMU user runs with the group that owns the device, so no user needs to be added to
 * it. The TEE's device is given to it by the worker (private-device.h). */
static bool
check_kvm(CocoLaunchPlan *plan, GError **error)
{
    struct stat info;

    if (plan->spec.accel != COCO_ACCEL_KVM)
        return true;
    if (stat(coco_host_paths.kvm, &info) < 0)
        return coco_vmm_error_errno(error, errno, "open '%s'", coco_host_paths.kvm);
    if ((info.st_mode & 0060) == 0060 && info.st_gid != 0)
        plan->user.gid = info.st_gid;
    return coco_qemu_user_check(&plan->user, "KVM device", coco_host_paths.kvm, O_RDWR, error);
}

/* Copies are made first and checked then; what is shared is checked first, because that message
 * knows the user. */
static bool
open_boot_files(CocoLaunchPlan *plan, GError **error)
{
    g_autofree char *copies = coco_run_dir_file(plan->run_dir, "vm/boot");
    const char *store = geteuid() == 0 ? COCO_BOOT_STORE : NULL;
    bool copy =
        coco_vm_config_choice(plan->config, COCO_KEY_HOST_BOOT_FILES) == COCO_BOOT_FILES_COPY;

    if (copy)
        return coco_boot_files_open(plan->boot, copies, store, error) && check_files(plan, error);
    return check_files(plan, error) && coco_boot_files_open(plan->boot, copies, NULL, error);
}

/* A program; a URL is asked when the time comes. */
static bool
check_attest(const CocoLaunchPlan *plan, GError **error)
{
    const char *hook = coco_vm_config_string(plan->config, COCO_KEY_SEV_ATTEST);

    return hook[0] != '/' || check_program("attest program", hook, error);
}

bool
coco_launch_plan_check(CocoLaunchPlan *plan, GError **error)
{
    return check_attest(plan, error) &&
           check_program("QEMU", coco_vm_config_string(plan->config, COCO_KEY_HOST_QEMU), error) &&
           coco_qemu_user_claim(plan->config, coco_run_dir_path(plan->run_dir), &plan->user,
                                error) &&
           check_kvm(plan, error) && check_share(plan, error) &&
           coco_vm_disks_open(&plan->spec.disks, error) && open_boot_files(plan, error);
}

char *
coco_launch_plan_xml(const CocoLaunchPlan *plan)
{
    g_autofree char *virtiofsd = coco_run_dir_file(plan->run_dir, "vm/virtiofsd");
    g_autofree char *initdata_disk = coco_run_dir_file(plan->run_dir, COCO_INITDATA_DISK);
    CocoDomainFacts facts = {
        .spec = &plan->spec,
        .run_dir = coco_run_dir_path(plan->run_dir),
        .virtiofsd = virtiofsd,
        .boot = plan->boot,
        .initdata_disk = plan->initdata.initdata != NULL ? initdata_disk : NULL,
        .host_data = plan->initdata.host_data,
    };

    return coco_domain_xml(&facts);
}

/* Without a share only where the config insists (domain-xml.c). */
static bool
has_file_of_huge_pages(const CocoLaunchPlan *plan)
{
    return coco_vm_config_choice(plan->config, COCO_KEY_MEMORY_HUGEPAGES) != COCO_HUGEPAGES_NONE &&
           coco_vm_config_choice(plan->config, COCO_KEY_MEMORY_BACKING) == COCO_BACKING_ANONYMOUS &&
           plan->spec.share == NULL;
}

bool
coco_launch_plan_write(const CocoLaunchPlan *plan, GError **error)
{
    g_autofree char *xml = coco_launch_plan_xml(plan);
    g_autofree char *conf =
        coco_qemu_conf(plan->user.name, plan->user.gid, has_file_of_huge_pages(plan));
    g_autofree char *link = coco_run_dir_file(plan->run_dir, "vm/virtiofsd");
    g_autofree char *spec = coco_vm_spec_to_json(&plan->spec);

    /* Started by this name, virtiofsd has the run directory in its command line. */
    if (plan->virtiofsd != NULL && symlink(plan->virtiofsd, link) < 0)
        return coco_vmm_error_errno(error, errno, "make link '%s'", link);
    return coco_initdata_binding_write(&plan->initdata, plan->run_dir, error) &&
           coco_run_dir_write(plan->run_dir, COCO_VM_SPEC_FILE, spec, error) &&
           coco_run_dir_write(plan->run_dir, "vm/domain.xml", xml, error) &&
           coco_run_dir_write(plan->run_dir, "vm/etc/qemu.conf", conf, error);
}

void
coco_launch_plan_clear(CocoLaunchPlan *plan)
{
    g_clear_pointer(&plan->netns, g_free);
    g_clear_pointer(&plan->boot, coco_boot_files_free);
    coco_vm_spec_clear(&plan->spec);
    g_clear_pointer(&plan->config, coco_vm_config_free);
    coco_host_choice_clear(&plan->choice);
    coco_qemu_user_clear(&plan->user);
    g_clear_pointer(&plan->run_dir, coco_run_dir_free);
    g_clear_pointer(&plan->virtiofsd, g_free);
    g_clear_pointer(&plan->cache_dir, g_free);
    coco_initdata_binding_clear(&plan->initdata);
}

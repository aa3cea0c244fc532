// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes on a small tmpfs, bound over /dev (dev-directory.h). Each has the owner and the mode of the
 * host's: who may open it is decided there.
 */
#include "vmm/tee/dev-directory.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/config/vmm-error.h"

/* Those that the host has. */
static const char *const names[] = { "null", "zero",        "full",     "random",        "urandom",
                                     "tty",  "vhost-vsock", "sgx_vepc", "sgx_provision", NULL };

static const struct {
    const char *name;
    const char *target;
} links[] = {
    { "fd", "/proc/self/fd" },
    { "stdin", "/proc/self/fd/0" },
    { "stdout", "/proc/self/fd/1" },
    { "stderr", "/proc/self/fd/2" },
};

static bool
make_node(const char *directory, const char *name, GError **error)
{
    g_autofree char *host = g_build_filename("/dev", name, NULL);
    g_autofree char *node = g_build_filename(directory, name, NULL);
    struct stat info;

    if (stat(host, &info) < 0 || !S_ISCHR(info.st_mode))
        return true;
    if (mknod(node, S_IFCHR, info.st_rdev) < 0 || chown(node, info.st_uid, info.st_gid) < 0 ||
        chmod(node, info.st_mode & 0666) < 0)
        return coco_vmm_error_errno(error, errno, "give device '%s' to QEMU", host);
    return true;
}

static bool
make_nodes(const char *directory, const char *device, bool kvm, GError **error)
{
    g_autofree char *own = device != NULL ? g_path_get_basename(device) : NULL;

    for (size_t i = 0; names[i] != NULL; i++) {
        if (!make_node(directory, names[i], error))
            return false;
    }
    return (!kvm || make_node(directory, "kvm", error)) &&
           (own == NULL || make_node(directory, own, error));
}

/* Where huge pages are mounted by default; libvirt makes files there if the config wants that. */
static bool
keep_hugepages(const char *directory, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "hugepages", NULL);

    if (access("/dev/hugepages", F_OK) < 0)
        return true;
    if (mkdir(path, 0755) < 0 || mount("/dev/hugepages", path, NULL, MS_BIND | MS_REC, NULL) < 0)
        return coco_vmm_error_errno(error, errno, "keep '/dev/hugepages'");
    return true;
}

bool
coco_dev_directory_make(const char *run_dir, const char *device, bool kvm, GError **error)
{
    g_autofree char *directory = g_build_filename(run_dir, "vm", "dev", NULL);

    if ((mkdir(directory, 0711) < 0 && errno != EEXIST) ||
        mount("dev", directory, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0)
        return coco_vmm_error_errno(error, errno, "mount tmpfs on '%s'", directory);
    if (!make_nodes(directory, device, kvm, error) || !keep_hugepages(directory, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        g_autofree char *path = g_build_filename(directory, links[i].name, NULL);

        if (symlink(links[i].target, path) < 0)
            return coco_vmm_error_errno(error, errno, "make link '%s'", path);
    }
    if (mount(directory, "/dev", NULL, MS_BIND | MS_REC, NULL) < 0)
        return coco_vmm_error_errno(error, errno, "make a /dev for QEMU");
    return true;
}

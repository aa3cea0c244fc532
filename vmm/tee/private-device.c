// SPDX-License-Identifier: Apache-2.0
/*
 * A node on a small tmpfs, bound over the device (private-device.h).
 */
#include "vmm/tee/private-device.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/config/vmm-error.h"

bool
coco_private_device_make(const char *run_dir, const char *device, uid_t owner, GError **error)
{
    g_autofree char *directory = g_build_filename(run_dir, "vm", "device", NULL);
    g_autofree char *name = g_path_get_basename(device);
    g_autofree char *node = g_build_filename(directory, name, NULL);
    struct stat info;

    if (stat(device, &info) < 0)
        return coco_vmm_error_errno(error, errno, "open device '%s'", device);
    if (!S_ISCHR(info.st_mode))
        return coco_vmm_error_errno(error, ENODEV, "open device '%s'", device);
    if ((mkdir(directory, 0711) < 0 && errno != EEXIST) ||
        mount("device", directory, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0711,size=64k") < 0)
        return coco_vmm_error_errno(error, errno, "mount tmpfs on '%s'", directory);
    if (mknod(node, S_IFCHR | 0600, info.st_rdev) < 0 || chown(node, owner, (gid_t) -1) < 0 ||
        mount(node, device, NULL, MS_BIND, NULL) < 0)
        return coco_vmm_error_errno(error, errno, "give device '%s' to QEMU", device);
    return true;
}

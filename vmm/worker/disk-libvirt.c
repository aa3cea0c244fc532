// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes and descriptors (disk-libvirt.h).
 */
#include "vmm/worker/disk-libvirt.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/config/vmm-error.h"
#include "vmm/worker/libvirt-error.h"

bool
coco_disks_have_device(const CocoVmDisks *disks)
{
    for (size_t i = 0; i < disks->n; i++) {
        if (disks->items[i].is_device)
            return true;
    }
    return false;
}

static bool
make_node(const char *directory, size_t i, const CocoVmDisk *disk, uid_t owner, GError **error)
{
    g_autofree char *name = coco_vm_disk_name(i);
    g_autofree char *path = g_build_filename(directory, name, NULL);
    struct stat info;

    if (fstat(disk->fd, &info) < 0 ||
        mknod(path, S_IFBLK | (disk->readonly ? 0400 : 0600), info.st_rdev) < 0 ||
        chown(path, owner, (gid_t) -1) < 0)
        return coco_vmm_error_errno(error, errno, "make device node '%s'", path);
    return true;
}

bool
coco_disks_make_nodes(const char *run_dir, const CocoVmDisks *disks, uid_t owner, GError **error)
{
    g_autofree char *directory = g_build_filename(run_dir, "vm", "disks", NULL);

    if ((mkdir(directory, 0711) < 0 && errno != EEXIST) ||
        mount("disks", directory, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0711,size=64k") < 0)
        return coco_vmm_error_errno(error, errno, "mount tmpfs on '%s'", directory);
    for (size_t i = 0; i < disks->n; i++) {
        if (disks->items[i].is_device && !make_node(directory, i, &disks->items[i], owner, error))
            return false;
    }
    return true;
}

bool
coco_disks_associate(virDomain *domain, const CocoVmDisks *disks, GError **error)
{
    for (size_t i = 0; i < disks->n; i++) {
        g_autofree char *name = coco_vm_disk_name(i);
        int fd = disks->items[i].fd;

        if (!disks->items[i].is_device && virDomainFDAssociate(domain, name, 1, &fd, 0) < 0)
            return coco_libvirt_error(error, "give disks to the domain");
    }
    return true;
}

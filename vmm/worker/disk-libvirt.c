// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes and descriptors (disk-libvirt.h).
 */
#include "vmm/worker/disk-libvirt.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/config/vm-disk.h"
#include "vmm/config/vmm-error.h"
#include "vmm/worker/libvirt-error.h"

bool
coco_disks_have_device(const char *letters)
{
    return strpbrk(letters, "dD") != NULL;
}

static bool
make_node(const char *directory, size_t i, bool readonly, uid_t owner, GError **error)
{
    g_autofree char *name = coco_vm_disk_name(i);
    g_autofree char *path = g_build_filename(directory, name, NULL);
    struct stat info;

    if (fstat(COCO_FIRST_DISK_FD + (int) i, &info) < 0 ||
        mknod(path, S_IFBLK | (readonly ? 0400 : 0600), info.st_rdev) < 0 ||
        chown(path, owner, (gid_t) -1) < 0)
        return coco_vmm_error_errno(error, errno, "make device node '%s'", path);
    return true;
}

bool
coco_disks_make_nodes(const char *run_dir, const char *letters, uid_t owner, GError **error)
{
    g_autofree char *directory = g_build_filename(run_dir, "vm", "disks", NULL);

    if ((mkdir(directory, 0711) < 0 && errno != EEXIST) ||
        mount("disks", directory, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0711,size=64k") < 0)
        return coco_vmm_error_errno(error, errno, "mount tmpfs on '%s'", directory);
    for (size_t i = 0; letters[i] != '\0'; i++) {
        if (g_ascii_tolower(letters[i]) == 'd' &&
            !make_node(directory, i, letters[i] == 'd', owner, error))
            return false;
    }
    return true;
}

bool
coco_disks_associate(virDomain *domain, const char *letters, GError **error)
{
    for (size_t i = 0; letters[i] != '\0'; i++) {
        g_autofree char *name = coco_vm_disk_name(i);
        int fd = COCO_FIRST_DISK_FD + (int) i;

        if (g_ascii_tolower(letters[i]) == 'f' && virDomainFDAssociate(domain, name, 1, &fd, 0) < 0)
            return coco_libvirt_error(error, "give disks to the domain");
    }
    return true;
}

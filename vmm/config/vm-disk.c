// SPDX-License-Identifier: Apache-2.0
/*
 * Opening (vm-disk.h).
 */
#include "vmm/config/vm-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"

void
coco_vm_disks_add(CocoVmDisks *disks, const char *path, bool readonly)
{
    disks->items = g_renew(CocoVmDisk, disks->items, disks->n + 1);
    disks->items[disks->n++] =
        (CocoVmDisk){ .path = g_strdup(path), .readonly = readonly, .fd = -1 };
}

void
coco_vm_disks_clear(CocoVmDisks *disks)
{
    for (size_t i = 0; i < disks->n; i++) {
        coco_fd_clear(&disks->items[i].fd);
        g_free(disks->items[i].path);
    }
    g_clear_pointer(&disks->items, g_free);
    disks->n = 0;
}

static bool
refuse(const CocoVmDisk *disk, const char *cause, GError **error)
{
    return coco_vmm_bad_config(error, "open disk '%s': %s", disk->path, cause);
}

/* Looked at before it is opened for real: to open a fifo or a tape is to do something to it. */
static bool
open_disk(CocoVmDisk *disk, GError **error)
{
    g_auto(CocoFd) found = open(disk->path, O_PATH | O_CLOEXEC);
    g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", found);
    struct stat info;

    if (found < 0 || fstat(found, &info) < 0)
        return refuse(disk, g_strerror(errno), error);
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode))
        return refuse(disk, "neither a file nor a block device", error);
    if (S_ISREG(info.st_mode) && info.st_size == 0)
        return refuse(disk, "the file is empty", error);
    disk->fd = open(again, (disk->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (disk->fd < 0)
        return refuse(disk, g_strerror(errno), error);
    disk->is_device = S_ISBLK(info.st_mode);
    return true;
}

bool
coco_vm_disks_open(CocoVmDisks *disks, GError **error)
{
    for (size_t i = 0; i < disks->n; i++) {
        if (!open_disk(&disks->items[i], error))
            return false;
    }
    return true;
}

char *
coco_vm_disk_name(size_t i)
{
    return g_strdup_printf("disk%zu", i);
}

char *
coco_hot_device_name(unsigned int slot)
{
    return g_strdup_printf("hot%02u", slot);
}

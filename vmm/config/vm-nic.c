// SPDX-License-Identifier: Apache-2.0
/*
 * Lists of interfaces (vm-nic.h).
 */
#include "vmm/config/vm-nic.h"

#include <fcntl.h>
#include <string.h>

#include "guest-protocol/posix/fd.h"

#define MAC_BYTES 6
#define MULTICAST 1u /* of the first byte */

void
coco_vm_nics_add(CocoVmNics *nics, const char *mac, unsigned int mtu, unsigned int queues,
                 bool user)
{
    CocoVmNic *nic;

    nics->items = g_renew(CocoVmNic, nics->items, nics->n + 1);
    nic = &nics->items[nics->n++];
    *nic = (CocoVmNic){ .mac = g_strdup(mac), .mtu = mtu, .user = user, .queues = queues };
    for (size_t i = 0; i < COCO_VM_NIC_QUEUES_MAX; i++) {
        nic->fds[i] = -1;
        nic->vhost[i] = -1;
    }
}

void
coco_vm_nics_clear(CocoVmNics *nics)
{
    for (size_t i = 0; i < nics->n; i++) {
        for (size_t queue = 0; queue < COCO_VM_NIC_QUEUES_MAX; queue++) {
            coco_fd_clear(&nics->items[i].fds[queue]);
            coco_fd_clear(&nics->items[i].vhost[queue]);
        }
        g_free(nics->items[i].mac);
    }
    g_clear_pointer(&nics->items, g_free);
    nics->n = 0;
}

bool
coco_vm_nic_is_mac(const char *text)
{
    unsigned int first;

    if (strlen(text) != 3 * MAC_BYTES - 1)
        return false;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
            return false;
    }
    first = (unsigned int) (g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    return (first & MULTICAST) == 0 && strcmp(text, "00:00:00:00:00:00") != 0;
}

size_t
coco_vm_nics_queues(const CocoVmNics *nics)
{
    size_t n = 0;

    for (size_t i = 0; i < nics->n; i++)
        n += nics->items[i].queues;
    return n;
}

bool
coco_vm_nics_take(CocoVmNics *nics, int *fds, size_t n)
{
    size_t taken = 0;

    if (n != coco_vm_nics_queues(nics))
        return false;
    for (size_t i = 0; i < nics->n; i++) {
        for (unsigned int queue = 0; queue < nics->items[i].queues; queue++)
            nics->items[i].fds[queue] = coco_fd_steal(&fds[taken++]);
    }
    return true;
}

static bool
open_vhost(CocoVmNic *nic, const char *path)
{
    for (unsigned int queue = 0; queue < nic->queues; queue++) {
        nic->vhost[queue] = open(path, O_RDWR | O_CLOEXEC);
        if (nic->vhost[queue] < 0)
            return false;
    }
    return true;
}

void
coco_vm_nics_open_vhost(CocoVmNics *nics, const char *path)
{
    for (size_t i = 0; i < nics->n; i++) {
        if (open_vhost(&nics->items[i], path))
            continue;
        for (size_t queue = 0; queue < COCO_VM_NIC_QUEUES_MAX; queue++)
            coco_fd_clear(&nics->items[i].vhost[queue]);
    }
}

char *
coco_vm_nic_name(size_t i)
{
    return g_strdup_printf("nic%zu", i);
}

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
#define USER_WORD "user"

G_STATIC_ASSERT(COCO_VM_NICS_MAX <= 8); /* functions of a slot */

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

/* ---- the worker's word ---- */

char *
coco_vm_nics_word(const CocoVmNics *nics)
{
    GString *word = g_string_new(NULL);

    for (size_t i = 0; i < nics->n; i++) {
        const CocoVmNic *nic = &nics->items[i];

        g_string_append_printf(word, "%s%s,%u,", i > 0 ? ";" : "", nic->mac, nic->mtu);
        if (nic->user)
            g_string_append(word, USER_WORD);
        else
            g_string_append_printf(word, "%u,%u", nic->queues, nic->vhost[0] >= 0 ? 1U : 0U);
    }
    return g_string_free(word, FALSE);
}

static bool
number_in(const char *text, unsigned int min, unsigned int max, unsigned int *out)
{
    guint64 value;

    if (text == NULL || !g_ascii_string_to_unsigned(text, 10, min, max, &value, NULL))
        return false;
    *out = (unsigned int) value;
    return true;
}

static bool
parse_nic(const char *text, int *next, CocoVmNics *nics)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    unsigned int n = g_strv_length(parts);
    bool user = n == 3 && strcmp(parts[2], USER_WORD) == 0;
    unsigned int mtu;
    unsigned int queues = 0;
    unsigned int vhost = 0;
    CocoVmNic *nic;

    if (n < 3 || n > 4 || !coco_vm_nic_is_mac(parts[0]) ||
        !number_in(parts[1], COCO_VM_NIC_MTU_MIN, COCO_VM_NIC_MTU_MAX, &mtu) ||
        (!user && (!number_in(parts[2], 1, COCO_VM_NIC_QUEUES_MAX, &queues) ||
                   !number_in(parts[3], 0, 1, &vhost))))
        return false;
    coco_vm_nics_add(nics, parts[0], mtu, queues, user);
    nic = &nics->items[nics->n - 1];
    for (unsigned int queue = 0; queue < queues; queue++)
        nic->fds[queue] = (*next)++;
    for (unsigned int queue = 0; vhost == 1 && queue < queues; queue++)
        nic->vhost[queue] = (*next)++;
    return true;
}

bool
coco_vm_nics_parse_word(const char *word, int first, CocoVmNics *out_nics)
{
    g_auto(GStrv) parts = g_strsplit(word, ";", -1);
    CocoVmNics nics = { 0 };
    int next = first;
    bool fine = parts[0] != NULL && g_strv_length(parts) <= COCO_VM_NICS_MAX;

    for (size_t i = 0; fine && parts[i] != NULL; i++)
        fine = parse_nic(parts[i], &next, &nics);
    if (fine) {
        *out_nics = nics;
        return true;
    }
    /* The numbers are nobody's yet. */
    for (size_t i = 0; i < nics.n; i++)
        g_free(nics.items[i].mac);
    g_free(nics.items);
    return false;
}

char *
coco_vm_nic_name(size_t i)
{
    return g_strdup_printf("nic%zu", i);
}

char *
coco_vm_nic_port(size_t i)
{
    return g_strdup_printf("ua-nic%zu-port", i);
}

char *
coco_vm_nic_pci_path(size_t i)
{
    return i == 0 ? g_strdup_printf("%02x/00", COCO_VM_NIC_PORT_SLOT)
                  : g_strdup_printf("%02x.%zx/00", COCO_VM_NIC_PORT_SLOT, i);
}

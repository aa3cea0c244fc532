// SPDX-License-Identifier: Apache-2.0
/*
 * Writes qemu.conf (qemu-conf.h); each line says why it is there.
 */
#include "vmm/domain/qemu-conf.h"

char *
coco_qemu_conf(const char *user, gid_t group, bool hugetlbfs)
{
    return g_strdup_printf(
        "# Written by coco-vmm for one VM.\n"
        "# QEMU is not root, and its system calls are filtered.\n"
        "user = \"%s\"\n"
        "group = \"+%u\"\n"
        "seccomp_sandbox = 1\n"
        "# There is no virtlogd beside an embedded driver.\n"
        "stdio_handler = \"file\"\n"
        "# The pod's cgroup and namespaces are the caller's affair: QEMU starts inside them.\n"
        "cgroup_controllers = []\n"
        "namespaces = []\n"
        "security_driver = \"none\"\n"
        "# Kernel, initrd and firmware are shared by all pods: nobody changes their owner.\n"
        "dynamic_ownership = 0\n"
        "remember_owner = 0\n"
        "%s",
        user, (unsigned int) group,
        hugetlbfs
            ? ""
            : "# Huge pages are a memfd's. libvirt leaves a directory for each root on every\n"
              "# hugetlbfs that it finds.\n"
              "hugetlbfs_mount = []\n");
}

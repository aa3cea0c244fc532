// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/domain/qemu-conf.c: what libvirt may do with QEMU and with the host's hugetlbfs.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/domain/qemu-conf.h"

#define NO_HUGETLBFS "\nhugetlbfs_mount = []\n"

Test(qemu_conf, huge_pages_leave_nothing_unless_they_are_files)
{
    g_autofree char *memfd = coco_qemu_conf("libvirt-qemu", 107, false);
    g_autofree char *file = coco_qemu_conf("libvirt-qemu", 107, true);

    cr_assert_not_null(strstr(memfd, NO_HUGETLBFS), "%s", memfd);
    cr_assert_null(strstr(file, "hugetlbfs_mount"), "%s", file);
}

Test(qemu_conf, qemu_is_the_user_of_this_vm_and_filtered)
{
    g_autofree char *conf = coco_qemu_conf("+2100000007", 2100000007, false);

    cr_assert_not_null(strstr(conf, "\nuser = \"+2100000007\"\ngroup = \"+2100000007\"\n"));
    cr_assert_not_null(strstr(conf, "\nseccomp_sandbox = 1\n"));
    cr_assert_not_null(strstr(conf, "\ndynamic_ownership = 0\nremember_owner = 0\n"));
}

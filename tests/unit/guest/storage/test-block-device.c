// SPDX-License-Identifier: Apache-2.0
/*
 * guest/storage/block-device.c on a directory that looks like sysfs.
 */
#include "guest/storage/block-device.h"

#include <sys/stat.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

static const char *const devices[] = {
    "devices/pci0000:00/0000:00:08.0/virtio3/block/vdb",
    "devices/pci0000:00/0000:00:08.1/virtio4/block/vdaa",
    "devices/pci0000:00/0000:00:02.0/0000:01:03.0/virtio5/block/vdc",
    "devices/pci0000:00/0000:00:09.0/virtio6/net/eth0",
};

static const struct {
    const char *source;
    const char *device; /* NULL: refused */
    CocoTtrpcCode code;
} rows[] = {
    { "08", "/dev/vdb", 0 },
    { "8", "/dev/vdb", 0 },
    { "08.0", "/dev/vdb", 0 },
    { "08.1", "/dev/vdaa", 0 },
    { "02/03", "/dev/vdc", 0 },
    { "/dev/vdz", "/dev/vdz", 0 },
    { "07", NULL, COCO_TTRPC_NOT_FOUND },
    { "09", NULL, COCO_TTRPC_NOT_FOUND },
    { "02", NULL, COCO_TTRPC_NOT_FOUND },
    { "", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "08/", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "08.8", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "08.", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "20", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "*", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "../08", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "1/1/1/1/1/1/1/1/1", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "/dev/sda", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "/dev/vd", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "/dev/vda/../sda", NULL, COCO_TTRPC_INVALID_ARGUMENT },
    { "/dev/vdabcd", NULL, COCO_TTRPC_INVALID_ARGUMENT },
};

Test(block_device, sources)
{
    g_autofree char *sys = g_dir_make_tmp("coco-sys-XXXXXX", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autofree char *path = g_build_filename(sys, devices[i], NULL);

        cr_assert_eq(g_mkdir_with_parents(path, 0700), 0);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *device = coco_block_device_find(sys, rows[i].source, &error);

        cr_assert_eq(g_strcmp0(device, rows[i].device), 0, "'%s' is '%s'", rows[i].source, device);
        if (rows[i].device == NULL)
            cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, (int) rows[i].code), "'%s': %s",
                      rows[i].source, error->message);
    }
    coco_directory_tree_remove(sys);
}

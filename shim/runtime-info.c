// SPDX-License-Identifier: Apache-2.0
/*
 * Prints RuntimeInfo. No mount types are announced: containerd mounts what it hands us.
 */
#include "shim/runtime-info.h"

#include <stdio.h>

#include <gio/gio.h>

#include "guest-protocol/task-pb.h"

bool
coco_runtime_info_print(GError **error)
{
    Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
    Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
    g_autofree uint8_t *buffer = NULL;
    size_t length;

    version.version = (char *) COCO_VERSION;
    info.name = (char *) "io.containerd.coco.v2";
    info.version = &version;
    length = protobuf_c_message_get_packed_size(&info.base);
    buffer = g_malloc(length);
    (void) protobuf_c_message_pack(&info.base, buffer);
    if (fwrite(buffer, 1, length, stdout) == length && fflush(stdout) == 0)
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "print runtime info");
    return false;
}
